/** The places where a secret may be, in order: the first that has it wins, and one that cannot say ends the search. */

import type { Integration, TenantId } from '@cruvero/core';
import {
  isCredentialFault,
  type Credential,
  type CredentialFault,
  type CredentialProvider,
} from '@cruvero/ports';

export interface Found {
  readonly provider: CredentialProvider;
  readonly credential: Credential;
}

/** Undefined where nobody has it. A place that is away might have another secret than the next one, so nobody else is asked. */
export async function findCredential(
  providers: readonly CredentialProvider[],
  tenantId: TenantId,
  integration: Integration,
): Promise<Found | undefined | CredentialFault> {
  for (const provider of providers) {
    const read = await provider.getCredentials(tenantId, integration);
    if (isCredentialFault(read)) return read;
    if (read) return { provider, credential: read };
  }
  return undefined;
}
