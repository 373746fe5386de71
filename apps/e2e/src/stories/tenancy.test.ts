/** Two tenants share everything that runs, and see nothing of each other. */

import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { namedTool, startLegacyServer, startModernServer, type FixtureServer } from '@cruvero/testkit';
import { api, type ApiAnswer } from '../harness/api.fixture.ts';
import { connect, type ClientKind, type StoryClient } from '../harness/clients.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { rawRequest, toolNames } from '../harness/raw.fixture.ts';
import { until } from '../harness/until.fixture.ts';

const tenants = ['acme', 'globex'] as const;
type Tenant = (typeof tenants)[number];
const clientKinds: readonly ClientKind[] = ['legacy', 'modern'];
const servers = '/admin/api/v1/servers';

/** Behind the same name, each tenant has another server. */
let behind: Record<Tenant, FixtureServer>;
before(async () => {
  behind = {
    acme: await startLegacyServer({ serverName: 'acme', extraTools: [namedTool('secret-of-acme')] }),
    globex: await startModernServer({ serverName: 'globex', extraTools: [namedTool('secret-of-globex')] }),
  };
});
after(() => Promise.all(tenants.map((tenant) => behind[tenant].close())));

overLayouts(
  'two tenants',
  () => ({ servers: { house: { url: behind.acme.url } } }),
  (layout) => {
    const keys: Partial<Record<Tenant, { readonly agentKey: string; readonly adminKey: string }>> = {};
    const keysOf = (tenant: Tenant) => keys[tenant] ?? assert.fail('its keys were not made');
    const door = (tenant: Tenant) => ({ url: layout().url, agentKey: keysOf(tenant).agentKey });
    const admin = (key: string, method: string, path: string, body?: unknown): Promise<ApiAnswer> =>
      api(layout().registryUrl, key, method, path, body);

    async function makeKey(tenant: Tenant, scopes: readonly string[]): Promise<string> {
      const body = { principal: `${tenant}-${scopes.join('-')}`, tenant_id: tenant, scopes };
      const made = await admin(layout().adminKey, 'POST', '/admin/api/v1/api-keys', body);
      assert.equal(made.status, 201);
      return (made.body as { readonly key: string }).key;
    }

    before(async () => {
      for (const tenant of tenants) {
        keys[tenant] = {
          agentKey: await makeKey(tenant, ['mcp']),
          adminKey: await makeKey(tenant, ['mcp', 'admin']),
        };
        const draft = { name: 'shared', transport: 'http', endpoint: behind[tenant].url };
        assert.equal((await admin(keysOf(tenant).adminKey, 'POST', servers, draft)).status, 201);
      }
      for (const tenant of tenants) {
        await until(`the server of ${tenant} is listed`, async () =>
          (await toolNames(door(tenant))).includes(`mcp.shared.secret-of-${tenant}`),
        );
      }
    });

    const connectAll = (): Promise<readonly (readonly [Tenant, StoryClient])[]> =>
      Promise.all(
        tenants.flatMap((tenant) =>
          clientKinds.map(async (kind) => [tenant, await connect(kind, door(tenant))] as const),
        ),
      );

    it('each lists and calls its own server of the same name, and no other', async () => {
      for (const [tenant, client] of await connectAll()) {
        await using _open = client;
        const tools = await client.tools();
        assert.deepEqual(
          [...new Set(tools.map((name) => name.split('.')[1]))],
          ['shared'],
          'house belongs to default',
        );
        assert.deepEqual(
          tools.filter((name) => name.includes('secret')),
          [`mcp.shared.secret-of-${tenant}`],
        );
        assert.doesNotMatch(client.face().instructions ?? '', /house/);
        const { _meta: meta } = await client.call('mcp.shared.add', { a: 1, b: 1 });
        assert.equal((meta as { readonly 'fixture.test/server'?: string })['fixture.test/server'], tenant);
        const other = tenant === 'acme' ? 'globex' : 'acme';
        await assert.rejects(
          client.ask('tools/call', { name: `mcp.shared.secret-of-${other}`, arguments: {} }),
        );
        await assert.rejects(client.ask('tools/call', { name: 'mcp.house.echo', arguments: { text: 'x' } }));
      }
      const house = await toolNames(layout());
      assert.ok(house.length > 0 && house.every((name) => name.startsWith('mcp.house.')));
    });

    it('the own door of a server opens for its own tenant only', async () => {
      for (const tenant of tenants) {
        const own = await rawRequest(door(tenant), 'tools/list', {}, '/servers/shared/mcp');
        assert.match(JSON.stringify(own.result), new RegExp(`secret-of-${tenant}`));
        const house = await rawRequest(door(tenant), 'tools/list', {}, '/servers/house/mcp');
        assert.equal(house.status, 404);
      }
      assert.equal((await rawRequest(layout(), 'tools/list', {}, '/servers/shared/mcp')).status, 404);
    });

    it('a session is worth nothing to another tenant', async () => {
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const post = (tenant: Tenant, body: object, more: Record<string, string> = {}): Promise<Response> =>
        fetch(`${layout().url}/mcp`, {
          method: 'POST',
          headers: { ...headers, authorization: `Bearer ${keysOf(tenant).agentKey}`, ...more },
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...body }),
        });
      const params = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'story', version: '1' },
      };
      const opened = await post('acme', { method: 'initialize', params });
      const session = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? assert.fail('no session') };
      const list = { method: 'tools/list', params: {} };
      assert.equal((await post('globex', list, session)).status, 404);
      assert.equal((await post('acme', list, session)).status, 200);
    });

    it('clients hear of changes of their own tenant only', async () => {
      const clients = await connectAll();
      const extra = { name: 'extra', transport: 'http', endpoint: behind.acme.url };
      assert.equal((await admin(keysOf('acme').adminKey, 'POST', servers, extra)).status, 201);
      for (const [tenant, client] of clients) if (tenant === 'acme') await client.told('tools', 0);
      // The others get a change of their own; had they been told of the foreign one, it would have come before.
      const own = { name: 'extra', transport: 'http', endpoint: behind.globex.url };
      const silent = clients.filter(([tenant]) => tenant === 'globex');
      for (const [, client] of silent) assert.equal(client.count('tools'), 0);
      assert.equal((await admin(keysOf('globex').adminKey, 'POST', servers, own)).status, 201);
      for (const [, client] of silent) await client.told('tools', 0);
      for (const [, client] of clients) await client[Symbol.asyncDispose]();
    });

    it('an admin of a tenant reads and writes that tenant only', async () => {
      const { adminKey } = keysOf('acme');
      const listed = (await admin(adminKey, 'GET', servers)).body as {
        readonly items: readonly { tenant_id: string }[];
      };
      assert.ok(listed.items.length > 0 && listed.items.every(({ tenant_id: id }) => id === 'acme'));
      for (const [method, path, body] of [
        ['GET', `${servers}?tenant=globex`, undefined],
        ['DELETE', `${servers}/shared?tenant=globex`, undefined],
        ['POST', '/admin/api/v1/api-keys', { principal: 'intruder', tenant_id: 'globex' }],
        [
          'PUT',
          '/admin/api/v1/policy/profiles',
          { profiles: [{ name: 'default', rate_limit: 1, rate_burst: 1, enforcement_mode: 'audit' }] },
        ],
      ] as const) {
        const answer = await admin(adminKey, method, path, body);
        assert.deepEqual(
          [answer.status, (answer.body as { error: { code: string } }).error.code],
          [403, 'wrong_tenant'],
          path,
        );
      }
      assert.equal((await admin(adminKey, 'GET', `${servers}/house`)).status, 404);
      const found = (await admin(adminKey, 'GET', '/api/v1/mesh/v2/services?name=shared')).body as {
        readonly services: readonly { port: number }[];
      };
      assert.deepEqual(
        found.services.map(({ port }) => port),
        [behind.acme.port],
      );
      const all = (await admin(layout().adminKey, 'GET', `${servers}?tenant=globex`)).body as {
        readonly items: readonly { tenant_id: string }[];
      };
      assert.ok(
        all.items.length > 0 && all.items.every(({ tenant_id: id }) => id === 'globex'),
        'the platform sees all',
      );
    });

    it('a key that is taken away opens nothing any more', async () => {
      const key = await makeKey('acme', ['mcp']);
      const reach = { url: layout().url, agentKey: key };
      await until('the new key works', async () => (await rawRequest(reach, 'tools/list')).status === 200);
      const keysListed = (await admin(keysOf('acme').adminKey, 'GET', '/admin/api/v1/api-keys')).body as {
        readonly items: readonly { readonly key_id: string; readonly principal: string }[];
      };
      assert.ok(!JSON.stringify(keysListed).includes(key), 'a key is shown once');
      const ids = keysListed.items
        .filter(({ principal }) => principal === 'acme-mcp')
        .map(({ key_id: id }) => id);
      for (const id of ids) {
        assert.equal(
          (await admin(keysOf('acme').adminKey, 'DELETE', `/admin/api/v1/api-keys/${id}`)).status,
          204,
        );
      }
      await until('the key is refused', async () => (await rawRequest(reach, 'tools/list')).status === 401);
      assert.equal((await rawRequest(door('globex'), 'tools/list')).status, 200);
    });
  },
);
