/** No attempt is made without the credential that its server wants: it is at hand, or asked for, or the call ends here. */

import { credentialHeader, type CredentialUse, type Fault, type Instance, type Reply } from '@cruvero/core';
import {
  isCredentialFault,
  type CredentialFault,
  type CredentialLease,
  type Credentials,
} from '@cruvero/ports';
import type { Forward, Routed } from '../pipeline.ts';

export type HeldCredentials = Pick<Credentials, 'held' | 'lease'>;

/** Stands between balance and forward. What it has seen to be there, `credentialed` puts on the wire. */
export function credentialFilter(credentials: HeldCredentials | undefined): (forward: Forward) => Forward {
  return (forward) => (call, instance) => {
    const use = call.server.credential;
    if (use === undefined || !isShown(instance)) return forward(call, instance);
    if (!credentials) return Promise.resolve(fault(call, noBroker));
    const held = credentials.held(call.server.tenantId, use.secretRef);
    if (!held) return askThenForward(credentials, use, forward, call, instance);
    return unfit(call, use, held) ?? forward(call, instance);
  };
}

/** A child of this process gets its secret when it is started, not with each call. */
const isShown = ({ transport }: Instance): boolean => transport === 'http' || transport === 'sse';

async function askThenForward(
  credentials: HeldCredentials,
  use: CredentialUse,
  forward: Forward,
  call: Routed,
  instance: Instance,
): Promise<Reply | Fault> {
  const { signal } = call.abort;
  const gone = Promise.withResolvers<undefined>();
  const onAbort = (): void => gone.resolve(undefined);
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  const lease = await Promise.race([credentials.lease(call.server.tenantId, use.secretRef), gone.promise]);
  signal.removeEventListener('abort', onAbort);
  if (lease === undefined) return { fault: 'cancelled' };
  if (isCredentialFault(lease)) return fault(call, lease);
  return (await unfit(call, use, lease)) ?? forward(call, instance);
}

function unfit(call: Routed, use: CredentialUse, { fields }: CredentialLease): Promise<Fault> | undefined {
  const header = credentialHeader(use, fields);
  if (!('problem' in header)) return undefined;
  return Promise.resolve(fault(call, { fault: 'unfit', detail: header.problem, retryAfterMs: 0 }));
}

const noBroker: CredentialFault = {
  fault: 'away',
  detail: 'this gateway has no credential broker (CRUVERO_CREDENTIAL_KEY is not set)',
  retryAfterMs: 0,
};

function fault({ server }: Routed, { fault: why, detail, retryAfterMs }: CredentialFault): Fault {
  return { fault: 'credential_unavailable', server: server.name, why, detail, retryAfterMs };
}
