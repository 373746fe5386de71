/** Secrets are written and deleted, for the right tenant, and no answer ever holds one. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultTenant, type Principal, type SecretFields, type TenantId } from '@cruvero/core';
import type { CredentialFault, CredentialWriter, SecretWritten } from '@cruvero/ports';
import { deleteCredential, putCredential } from './credentials.ts';
import type { RestParts } from './parts.ts';

const acme = 'acme' as TenantId;
const principal = (tenantId: TenantId): Principal => ({
  tenantId,
  name: 'ann',
  scopes: ['admin'],
  profile: 'default',
});
const written: SecretWritten = { provider: 'vault', stillIn: ['environment'] };

function stage(outcome: SecretWritten | CredentialFault = written, withBroker = true) {
  const asked: string[] = [];
  const texts: string[] = [];
  const secrets: CredentialWriter = {
    put: async (tenant, integration, fields: SecretFields, by) => {
      asked.push(`put ${tenant}/${integration} by ${by}`);
      for (const [name, text] of fields) texts.push(`${name}=${text.reveal()}`);
      return outcome;
    },
    delete: async (tenant, integration, by) => {
      asked.push(`delete ${tenant}/${integration} by ${by}`);
      return outcome;
    },
  };
  // Only the writer is used here.
  const parts = { secrets: withBroker ? secrets : undefined } as RestParts;
  const run = (
    what: 'put' | 'delete',
    integration: string,
    query: object = {},
    tenant = defaultTenant,
    body: unknown = undefined,
  ) =>
    (what === 'put' ? putCredential(parts) : deleteCredential(parts)).run({
      principal: principal(tenant),
      path: { integration },
      query,
      body: what === 'put' ? (body ?? { fields: { token: 'canary-7f3a' } }) : undefined,
    });
  return { asked, texts, run };
}

describe('a secret over REST', () => {
  it('is written for the own tenant, or by the platform for another, and not given back', async () => {
    const { asked, texts, run } = stage();
    const own = await run('put', 'github', {}, acme);
    const other = await run('put', 'github', { tenant: 'acme' });
    assert.deepEqual(own, {
      status: 200,
      body: { integration: 'github', tenant_id: 'acme', provider: 'vault', still_in: ['environment'] },
    });
    assert.deepEqual(other.body, own.body);
    await run('delete', 'github', {}, acme);
    assert.deepEqual(asked, [
      'put acme/github by ann',
      'put acme/github by ann',
      'delete acme/github by ann',
    ]);
    assert.deepEqual(texts, ['token=canary-7f3a', 'token=canary-7f3a']);
    assert.doesNotMatch(JSON.stringify([own, other]), /canary/);
  });

  it('of another tenant, under a bad name or in a bad form is refused, and not repeated', async () => {
    const { asked, run } = stage();
    assert.equal((await run('put', 'github', { tenant: 'globex' }, acme)).status, 403);
    for (const name of ['*', '../x', 'a.b', '']) assert.equal((await run('put', name)).status, 400, name);
    for (const body of [
      {},
      { fields: {} },
      { fields: { token: 7 } },
      { fields: { 'canary x': 't' } },
      { token: 'canary' },
    ]) {
      const refused = await run('put', 'github', {}, acme, body);
      assert.equal(refused.status, 400, JSON.stringify(body));
      assert.doesNotMatch(JSON.stringify(refused.body), /canary-7f3a/);
    }
    assert.deepEqual(asked, []);
  });

  it('that cannot be written says why, and when to come again', async () => {
    const refused = async (fault: CredentialFault['fault'], retryAfterMs = 0) => {
      const { status, headers } = await stage({ fault, detail: 'said', retryAfterMs }).run(
        'delete',
        'github',
      );
      return [status, headers?.['retry-after']];
    };
    assert.deepEqual(await refused('not_found'), [404, undefined]);
    assert.deepEqual(await refused('denied'), [403, undefined]);
    assert.deepEqual(await refused('unfit'), [409, undefined]);
    assert.deepEqual(await refused('busy', 2_500), [503, '3']);
    assert.deepEqual(await refused('away'), [503, '1']);
    assert.equal((await stage(written, false).run('put', 'github')).status, 503);
  });
});
