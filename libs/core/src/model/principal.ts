/** Who calls: always with a tenant. */

import type { TenantId } from './ids.ts';
import type { Scope } from './snapshot.ts';

export interface Principal {
  readonly tenantId: TenantId;
  /** Stable name, unique within the tenant; safe to log. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Policy profile by name. */
  readonly profile: string;
}
