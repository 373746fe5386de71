/** What the routes work on. */

import type { Bus, Clock, CredentialWriter, ServerStore } from '@cruvero/ports';
import type { AnnounceParts } from '../announce.ts';
import type { SecretBytes } from '../api-keys.ts';
import type { KeyRing } from './authenticate.ts';

export interface RestParts {
  readonly store: ServerStore;
  readonly bus: Pick<Bus, 'publishStored'>;
  readonly clock: Clock;
  readonly change: AnnounceParts;
  readonly ring: KeyRing;
  readonly bytes: SecretBytes;
  /** Undefined where there is no credential broker. */
  readonly secrets: CredentialWriter | undefined;
  /** Called after each commit that gateways must hear of. */
  readonly changed: () => void;
}
