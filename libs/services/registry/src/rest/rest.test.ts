/** REST over real HTTP: every route, and the document that describes them. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json, ServerName } from '@cruvero/core';
import { defaultTenant } from '@cruvero/core';
import { announceOf, until, verdictOf, World } from '../world.fixture.ts';
import { admin, codeOf, http, items, mesh, messageOf, open } from './client.fixture.ts';

describe('servers', () => {
  it('are made, read, replaced and deleted', async () => {
    await using world = new World();
    const client = await open(world);
    const made = await client.post(`${admin}/servers`, {
      name: 'weather',
      ...http,
      version: '1',
      env_vars: { TOKEN: 's3cret' },
    });
    assert.deepEqual([made.status, made.header('location')], [201, `${admin}/servers/weather`]);
    assert.deepEqual(
      [
        made.body['source'],
        made.body['status'],
        made.body['tenant_id'],
        made.body['tool_count'],
        made.body['debug'],
      ],
      ['api', 'pending', 'default', 0, false],
    );
    assert.equal(codeOf(await client.post(`${admin}/servers`, { name: 'weather', ...http })), 'exists');
    const put = await client.put(`${admin}/servers/weather`, {
      ...http,
      endpoint: 'http://127.0.0.1:9001/mcp',
      tools: [{ name: 'a' }],
    });
    assert.equal(put.status, 200);
    const read = await client.get(`${admin}/servers/weather`);
    assert.deepEqual(
      [
        read.body['endpoint'],
        read.body['version'],
        read.body['tools'],
        (read.body['instances'] as Json[]).length,
      ],
      ['http://127.0.0.1:9001/mcp', undefined, [{ name: 'a' }], 1],
    );
    assert.doesNotMatch(JSON.stringify([made.body, put.body, read.body]), /s3cret|env_vars/);
    assert.equal((await client.put(`${admin}/servers/news`, http)).status, 201);
    assert.equal((await client.delete(`${admin}/servers/weather`)).status, 204);
    assert.equal((await client.delete(`${admin}/servers/weather`)).status, 404);
    assert.equal((await client.get(`${admin}/servers/weather`)).status, 404);
  });

  it('are listed by page, by status and by a part of the name', async () => {
    await using world = new World();
    const client = await open(world);
    for (const name of ['alpha', 'beta', 'gamma', 'delta'])
      await client.put(`${admin}/servers/${name}`, http);
    await client.put(`${admin}/servers/beta`, { ...http, status: 'disabled' });
    const first = await client.get(`${admin}/servers?limit=3`);
    assert.deepEqual(
      [items(first).map((row) => row['name']), first.body['total']],
      [['alpha', 'beta', 'delta'], 4],
    );
    const second = await client.get(`${admin}/servers?limit=3&cursor=${String(first.body['next_cursor'])}`);
    assert.deepEqual(
      [items(second).map((row) => row['name']), second.body['next_cursor']],
      [['gamma'], null],
    );
    assert.deepEqual(
      items(await client.get(`${admin}/servers?status=disabled`)).map((row) => row['name']),
      ['beta'],
    );
    assert.deepEqual(
      items(await client.get(`${admin}/servers?q=LTA`)).map((row) => row['name']),
      ['delta'],
    );
    for (const query of ['limit=0', 'limit=x', 'status=well', 'cursor=!!', 'nonsense=1', 'tenant=a/b']) {
      assert.equal((await client.get(`${admin}/servers?${query}`)).status, 400, query);
    }
  });

  it('may have several instances; a PUT replaces those and leaves announced ones', async () => {
    await using world = new World();
    const client = await open(world);
    await world.say('announce', announceOf('weather'));
    await until('announced', () => world.done() === 1);
    const two = [
      { instance_id: 'a', endpoint: 'http://10.0.0.1/mcp', weight: 3 },
      { instance_id: 'b', endpoint: 'http://10.0.0.2/mcp' },
    ];
    await client.put(`${admin}/servers/weather`, { transport: 'http', instances: two });
    await client.put(`${admin}/servers/weather`, { transport: 'http', instances: two.slice(1) });
    const rows = await world.memory.instances(defaultTenant, 'weather' as ServerName);
    assert.deepEqual(
      rows.map((row) => row.instanceId),
      ['b', 'weather-1'],
    );
  });

  it('are deregistered whole or by instance', async () => {
    await using world = new World();
    const client = await open(world);
    await client.put(`${admin}/servers/weather`, http);
    assert.equal(
      (await client.post(`${admin}/servers/weather/deregister`, { instance_id: 'nobody' })).status,
      404,
    );
    assert.equal((await client.post(`${admin}/servers/weather/deregister`, {})).status, 200);
    const row = await client.get(`${admin}/servers/weather`);
    assert.deepEqual([row.body['status'], row.body['instances']], ['deregistered', []]);
    assert.equal((await client.send('POST', `${admin}/servers/nobody/deregister`)).status, 404);
  });

  it('that are given a credential, or allowed endpoints, keep no instance that came from elsewhere before', async () => {
    const credential = { secret_ref: 'weather', scheme: 'bearer' };
    const allowed_endpoints = ['http://127.0.0.1:9000/'];
    for (const [changes, kept] of [
      [{}, ['api', 'friend', 'stranger']],
      [{ credential }, ['api']],
      [{ credential, allowed_endpoints: [] }, ['api']],
      [{ credential, allowed_endpoints }, ['api', 'friend']],
      [{ allowed_endpoints }, ['api', 'friend']],
    ] as const) {
      await using world = new World();
      const client = await open(world);
      await world.say('announce', announceOf('weather', { instance_id: 'friend' }));
      const stranger = { instance_id: 'stranger', endpoint: 'http://127.0.0.1:6666/mcp' };
      await world.say('announce', announceOf('weather', stranger));
      await until('both', () => world.done('announce') === 2);
      assert.equal(
        (await client.put(`${admin}/servers/weather`, { ...http, ...changes } as Json)).status,
        200,
      );
      const ids = (await world.memory.instances(defaultTenant, 'weather' as ServerName)).map(
        (row) => row.instanceId,
      );
      assert.deepEqual(ids.sort(), kept, JSON.stringify(changes));
    }
  });

  it('with a bad body are refused with the place that is wrong, and nothing is stored', async () => {
    await using world = new World();
    const client = await open(world);
    const bad: readonly (readonly [Json, RegExp])[] = [
      [{ ...http, name: 'Weather' }, /body name: must match/],
      [{ ...http, name: 'a.b' }, /body name/],
      [{ ...http }, /body name/],
      [{ name: 'a', transport: 'http' }, /endpoint is needed/],
      [{ name: 'a', transport: 'inproc', endpoint: 'inproc://x' }, /body transport/],
      [{ name: 'a', transport: 'http', endpoint: 'http://169.254.169.254/' }, /metadata/],
      [{ name: 'a', transport: 'http', endpoint: 'http://u:p@h/' }, /user name or password/],
      [{ name: 'a', transport: 'http', endpoint: 'ftp://h/' }, /http/],
      [{ name: 'a', transport: 'stdio', endpoint: 'http://h/' }, /stdio/],
      [{ ...http, name: 'a', allowed_endpoints: ['http://10.0.0.1/'] }, /allowed endpoints/],
      [{ ...http, name: 'a', typo: 1 }, /typo/],
      [{ ...http, name: 'a', tenant_id: '../x' }, /tenant/],
      [{ ...http, name: 'a', tools: 'x' }, /body tools/],
      [[], /body/],
      [null, /body/],
      ['x', /body/],
    ];
    for (const [body, said] of bad) {
      const answer = await client.post(`${admin}/servers`, body);
      assert.deepEqual([answer.status, codeOf(answer)], [400, 'bad_request'], JSON.stringify(body));
      assert.match(messageOf(answer), said);
    }
    assert.equal((await client.get(`${admin}/servers`)).body['total'], 0);
    assert.equal((await client.put(`${admin}/servers/${encodeURIComponent('a b')}`, http)).status, 400);
    assert.equal((await client.get(`${admin}/servers/%E0%A4%A`)).status, 400);
  });
});

describe('keys and profiles', () => {
  it('a key is shown once, works at once, and stops working when it is taken away', async () => {
    await using world = new World();
    const client = await open(world);
    const made = await client.post(`${admin}/api-keys`, { principal: 'ci', scopes: ['admin', 'admin'] });
    assert.deepEqual([made.status, made.body['scopes']], [201, ['admin']]);
    const key = String(made.body['key']);
    const use = () => client.raw(`${admin}/gateways`, { headers: [['x-api-key', key]] });
    assert.equal((await use()).status, 200);
    const list = await client.get(`${admin}/api-keys`);
    assert.equal(list.body['total'], 3);
    assert.doesNotMatch(JSON.stringify(list.body), /crv_|sha256/);
    assert.equal((await client.delete(`${admin}/api-keys/${String(made.body['key_id'])}`)).status, 204);
    assert.equal((await use()).status, 401);
    const last = await client.delete(`${admin}/api-keys/configured-admin`);
    assert.deepEqual([last.status, codeOf(last)], [409, 'last_admin_key']);
    assert.equal(
      codeOf(await client.post(`${admin}/api-keys`, { principal: 'x', profile: 'none' })),
      'unknown_profile',
    );
    assert.equal((await client.post(`${admin}/api-keys`, { principal: 'a b' })).status, 400);
  });

  it('profiles are replaced whole, must keep default, and not lose one in use', async () => {
    await using world = new World();
    const client = await open(world);
    const path = `${admin}/policy/profiles`;
    const row = (name: string, limit = 5) => ({
      name,
      rate_limit: limit,
      rate_burst: 9,
      enforcement_mode: 'enforce',
      tool_denylist: ['mcp.x.*'],
    });
    assert.equal((await client.put(path, { profiles: [row('default'), row('premium')] })).status, 200);
    assert.deepEqual((await client.get(path)).body, { profiles: [row('default'), row('premium')] });
    await client.post(`${admin}/api-keys`, { principal: 'rich', profile: 'premium' });
    assert.equal(codeOf(await client.put(path, { profiles: [row('default')] })), 'profile_in_use');
    for (const profiles of [[], [row('premium')], [row('default', 0)], [row('default'), row('default')]]) {
      assert.equal((await client.put(path, { profiles })).status, 400);
    }
  });
});

describe('gateways', () => {
  it('are listed with what they have applied', async () => {
    await using world = new World();
    const client = await open(world);
    await world.gateway('gw-1').ask({ 'config.servers': 1 });
    await until('recorded', async () => (await world.memory.gateways()).length === 1);
    const list = await client.get(`${admin}/gateways`);
    assert.deepEqual(items(list), [
      {
        gateway_id: 'gw-1',
        tenant_id: 'default',
        last_seen: new Date(world.clock.nowMs()).toISOString(),
        applied_versions: { 'config.servers': 1 },
      },
    ]);
    assert.equal(list.body['revision'], await world.memory.revision());
  });
});

describe('the mesh facade', () => {
  it('registers, lists, discovers and deregisters in its own shapes', async () => {
    await using world = new World();
    const client = await open(world);
    const body = {
      service_name: 'mcp-github',
      address: '10.0.0.9',
      port: 11101,
      tags: ['git'],
      metadata: { instance: 1, capabilities: ['repos'] },
    };
    const made = await client.post(`${mesh}/register`, body);
    assert.deepEqual(made.body, {
      service_id: 'mcp-github-10.0.0.9-11101',
      status: 'registered',
      message: 'mcp-github is registered as server github.',
    });
    await client.post(`${mesh}/register`, {
      service_id: 'docs-1',
      service_name: 'docs',
      address: '::1',
      port: 80,
    });
    await world.say(
      'verdict',
      verdictOf('github', 'active', 'healthy', { instance_id: 'mcp-github-10.0.0.9-11101' }),
    );
    await until('judged', () => world.done() === 1);
    const metadata = { mcp_server: 'github', instance: 1, capabilities: ['repos'] };
    const service = {
      id: 'mcp-github-10.0.0.9-11101',
      name: 'mcp-github',
      address: '10.0.0.9',
      port: 11101,
      tags: ['git'],
      metadata,
      state: 'HEALTHY',
    };
    assert.deepEqual((await client.get(`${mesh}/services?name=mcp-github`)).body, {
      services: [service],
      count: 1,
    });
    assert.deepEqual((await client.get(`${mesh}/services?name=github`)).body['count'], 1);
    assert.deepEqual((await client.get(`${mesh}/services`)).body['count'], 2);
    assert.deepEqual((await client.get(`${mesh}/discover/mcp-github?use_cache=true`)).body, {
      service_name: 'mcp-github',
      instances: [{ id: service.id, address: '10.0.0.9:11101', state: 'HEALTHY', tags: ['git'], metadata }],
      total: 1,
      healthy: 1,
    });
    assert.equal((await client.get(`${mesh}/discover/nobody`)).body['total'], 0);
    const gone = await client.delete(`${mesh}/deregister/${service.id}`);
    assert.deepEqual([gone.status, gone.body['status']], [200, 'deregistered']);
    assert.equal((await client.delete(`${mesh}/deregister/${service.id}`)).status, 404);
  });

  it('refuses what is no address or no name', async () => {
    await using world = new World();
    const client = await open(world);
    const good = { service_name: 'mcp-a', address: 'h', port: 1 };
    for (const change of [
      { service_name: 'A' },
      { address: 'a/b' },
      { address: '169.254.169.254' },
      { port: 0 },
      { port: 70_000 },
      { service_name: '-' },
    ]) {
      assert.equal(
        (await client.post(`${mesh}/register`, { ...good, ...change })).status,
        400,
        JSON.stringify(change),
      );
    }
    assert.equal((await client.post(`${mesh}/register`, { ...good, metadata: { path: 'x' } })).status, 400);
  });
});

describe('the OpenAPI document', () => {
  it('needs no key, names every operation, and points to nothing that is not there', async () => {
    await using world = new World();
    const client = await open(world);
    const { status, body } = await client.raw('/openapi.json');
    assert.deepEqual([status, body['openapi']], [200, '3.1.0']);
    const paths = body['paths'] as Record<
      string,
      Record<string, { operationId: string; responses: Record<string, unknown> }>
    >;
    const ids = Object.values(paths).flatMap((operations) =>
      Object.values(operations).map((each) => each.operationId),
    );
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(Object.keys(paths).sort(), [
      '/admin/api/v1/api-keys',
      '/admin/api/v1/api-keys/{key_id}',
      '/admin/api/v1/credentials/{integration}',
      '/admin/api/v1/gateways',
      '/admin/api/v1/policy/profiles',
      '/admin/api/v1/servers',
      '/admin/api/v1/servers/{name}',
      '/admin/api/v1/servers/{name}/deregister',
      '/admin/api/v1/virtual-servers',
      '/admin/api/v1/virtual-servers/{name}',
      '/api/v1/lifecycle',
      '/api/v1/mesh/v2/deregister/{id}',
      '/api/v1/mesh/v2/discover/{service}',
      '/api/v1/mesh/v2/register',
      '/api/v1/mesh/v2/services',
    ]);
    const refs = [...JSON.stringify(body).matchAll(/"\$ref":"([^"]+)"/g)].map(([, ref]) => ref);
    assert.deepEqual([...new Set(refs)], ['#/components/schemas/Error']);
    for (const [path, operations] of Object.entries(paths)) {
      for (const each of Object.values(operations))
        assert.ok(each.responses['401'] && each.responses['503'], path);
    }
  });
});
