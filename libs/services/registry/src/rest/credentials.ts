/** Secrets: written and deleted here, and never given back. They go on sealed, and are kept nowhere on the way. */

import { credentialPutSchema, credentialWrittenSchema, tenantQuerySchema } from '@cruvero/contracts';
import {
  readIntegration,
  SecretText,
  type CredentialFailure,
  type Integration,
  type TenantId,
} from '@cruvero/core';
import {
  isCredentialFault,
  type CredentialFault,
  type CredentialWriter,
  type SecretWritten,
} from '@cruvero/ports';
import { tenantFor } from './authenticate.ts';
import type { RestParts } from './parts.ts';
import { notFound, ok, problem, type RestReply } from './reply.ts';
import { nothing, route, type Ask, type Route } from './route.ts';

const path = '/admin/api/v1/credentials/{integration}';

export const putCredential = ({ secrets }: RestParts): Route =>
  route({
    method: 'put',
    path,
    id: 'putCredential',
    summary:
      'Writes a secret down, in place of what was there. It is used from the next call on, and is never given back.',
    query: tenantQuerySchema,
    body: credentialPutSchema,
    answers: { 200: credentialWrittenSchema, 503: undefined },
    handle: (ask) =>
      onSecret(ask, secrets, (writer, tenant, integration) => {
        const fields = Object.entries(ask.body.fields).map(
          ([name, text]) => [name, new SecretText(text)] as const,
        );
        return writer.put(tenant, integration, new Map(fields), ask.principal.name);
      }),
  });

export const deleteCredential = ({ secrets }: RestParts): Route =>
  route({
    method: 'delete',
    path,
    id: 'deleteCredential',
    summary:
      'Deletes a secret with all its versions and ends its leases: the next call that needs it fails. Says where one of the name still is.',
    query: tenantQuerySchema,
    body: nothing,
    answers: { 200: credentialWrittenSchema, 409: undefined, 503: undefined },
    handle: (ask) =>
      onSecret(ask, secrets, (writer, tenant, integration) =>
        writer.delete(tenant, integration, ask.principal.name),
      ),
  });

async function onSecret(
  { principal, path: at, query }: Ask<{ tenant?: string | undefined }, unknown>,
  secrets: CredentialWriter | undefined,
  act: (
    writer: CredentialWriter,
    tenant: TenantId,
    integration: Integration,
  ) => Promise<SecretWritten | CredentialFault>,
): Promise<RestReply> {
  const tenant = tenantFor(principal, query.tenant);
  if (typeof tenant !== 'string') return tenant;
  const integration = readIntegration(at['integration']);
  if (!integration)
    return problem(
      400,
      'bad_request',
      'The name must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots, no slashes).',
    );
  if (!secrets)
    return problem(
      503,
      'no_credential_broker',
      'This registry has no credential broker: CRUVERO_CREDENTIAL_KEY is not set.',
    );
  const outcome = await act(secrets, tenant, integration);
  if (isCredentialFault(outcome)) return refusal(outcome);
  const { provider, stillIn } = outcome;
  return ok({ integration, tenant_id: tenant, provider, still_in: stillIn });
}

const statuses = { not_found: 404, denied: 403, unfit: 409, away: 503, busy: 503 } as const satisfies Record<
  CredentialFailure,
  number
>;

function refusal({ fault, detail, retryAfterMs }: CredentialFault): RestReply {
  if (fault === 'not_found') return notFound('secret of this name');
  const said = problem(statuses[fault], `credential_${fault}`, `The secret was not changed: ${detail}.`);
  if (statuses[fault] !== 503) return said;
  return { ...said, headers: { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) } };
}
