/** Two tenants whose secrets have the same name: thousands of calls by turns, and no server ever sees the other tenant's. */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { api } from '../harness/api.fixture.ts';
import { startGuarded, type GuardedServer } from '../harness/guarded.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { rawCall, toolNames } from '../harness/raw.fixture.ts';
import { until } from '../harness/until.fixture.ts';

const tenants = ['acme', 'globex'] as const;
type Tenant = (typeof tenants)[number];
/** What separates tenants is the same code in both layouts; apart a shorter run shows that it is. */
const callsOfEach = { embedded: 5_000, apart: 1_000 } as const;
const atOnce = 16;

for (const kind of ['embedded', 'apart'] as const) {
  const callsPerTenant = callsOfEach[kind];
  let behind: Record<Tenant, GuardedServer>;
  before(async () => {
    behind = { acme: await startGuarded(), globex: await startGuarded() };
    // Each knows both secrets, and would say so.
    for (const tenant of tenants)
      for (const owner of tenants) behind[tenant].owners.set(`Bearer token-of-${owner}`, owner);
  });
  after(() => Promise.all(tenants.map((tenant) => behind[tenant][Symbol.asyncDispose]())));

  overLayouts(
    'credentials of two tenants',
    { servers: {} },
    (layout) => {
      const keys: Partial<Record<Tenant, string>> = {};
      const reach = (tenant: Tenant) => ({
        url: layout().url,
        agentKey: keys[tenant] ?? assert.fail(tenant),
      });
      const admin = (method: string, path: string, body: object) =>
        api(layout().registryUrl, layout().adminKey, method, `/admin/api/v1/${path}`, body);

      before(async () => {
        for (const tenant of tenants) {
          const made = await admin('POST', 'api-keys', { principal: `of-${tenant}`, tenant_id: tenant });
          keys[tenant] = (made.body as { readonly key: string }).key;
          const secret = await admin('PUT', `credentials/shared?tenant=${tenant}`, {
            fields: { token: `token-of-${tenant}` },
          });
          assert.equal(secret.status, 200, JSON.stringify(secret.body));
          const server = await admin('POST', 'servers', {
            name: 'shared',
            tenant_id: tenant,
            transport: 'http',
            endpoint: behind[tenant].url,
            credential: { secret_ref: 'shared', scheme: 'bearer' },
          });
          assert.equal(server.status, 201, JSON.stringify(server.body));
          assert.deepEqual((server.body as { readonly credential?: object }).credential, {
            secret_ref: 'shared',
            scheme: 'bearer',
            field: 'token',
          });
        }
        for (const tenant of tenants)
          await until(`the server of ${tenant} is listed`, async () =>
            (await toolNames(reach(tenant))).includes('mcp.shared.whoami'),
          );
      });

      it(`${2 * callsPerTenant} calls by turns reach their own tenant's server with its own credential`, async () => {
        let next = 0;
        const one = async (): Promise<void> => {
          while (next < 2 * callsPerTenant) {
            const tenant = tenants[(next += 1) % 2] ?? 'acme';
            const { result, error } = await rawCall(reach(tenant), 'mcp.shared.whoami');
            assert.deepEqual(result?.['content'], [{ type: 'text', text: tenant }], error?.message ?? '');
          }
        };
        await Promise.all(Array.from({ length: atOnce }, one));
        for (const tenant of tenants) {
          assert.deepEqual([...behind[tenant].calls.keys()], [tenant]);
          assert.equal(behind[tenant].calls.get(tenant), callsPerTenant);
        }
      });

      it('what is taken from one tenant is left to the other', async () => {
        const gone = await api(
          layout().registryUrl,
          layout().adminKey,
          'DELETE',
          '/admin/api/v1/credentials/shared?tenant=acme',
        );
        assert.equal(gone.status, 200);
        await until(
          'calls of acme fail',
          async () => (await rawCall(reach('acme'), 'mcp.shared.whoami')).error?.code === -31056,
          1_000,
        );
        for (let n = 0; n < 20; n += 1)
          assert.ok((await rawCall(reach('globex'), 'mcp.shared.whoami')).result);
      });
    },
    [kind],
  );
}
