/** Virtual servers over REST and from the configuration file, to the gateway that serves them. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { virtualViewSchema } from '@cruvero/contracts';
import type { Json, JsonObject, ServerName, VirtualDefinition } from '@cruvero/core';
import { isJsonObject } from '@cruvero/core';
import type { BusMessage } from '@cruvero/ports';
import { adminKey, agentKey, settableSource, until, World } from '../world.fixture.ts';
import { admin, Client, codeOf, http, items, messageOf, open } from './client.fixture.ts';

const path = `${admin}/virtual-servers`;
const body = {
  description: 'For builds',
  instructions: 'Read first.',
  names: 'bare',
  members: [
    { server: 'files', tools: ['read_*'], aliases: { read_file: 'cat' } },
    { server: 'git', prompts: [], resources: false },
  ],
};
const definition = (name: string, server = 'files'): VirtualDefinition => ({
  name: name as ServerName,
  names: 'bare',
  members: [{ server: server as ServerName }],
});
/** The virtual servers in the newest message of scope `servers`. */
const toldOf = (heard: readonly BusMessage[]): readonly Json[] => {
  const told = heard.findLast(({ subject }) => subject.endsWith('.config.servers'))?.body;
  const virtuals = isJsonObject(told) ? told['virtual_servers'] : undefined;
  return Array.isArray(virtuals) ? virtuals : [];
};
const namesOf = (heard: readonly BusMessage[]): string =>
  toldOf(heard)
    .map((each) => (isJsonObject(each) ? `${each['tenant_id']}/${each['name']}` : ''))
    .join();

describe('virtual servers', () => {
  it('are made, shown, replaced and deleted, and a gateway hears each time', async () => {
    await using world = new World();
    const client = await open(world);
    const gateway = world.gateway('gw-1');
    await gateway.ask();
    await until('asked', () => gateway.heard.length === 4);
    await client.put(`${admin}/servers/files`, http);

    const made = await client.post(path, { name: 'dev', ...body });
    assert.deepEqual([made.status, made.header('location')], [201, `${path}/dev`]);
    const { created_at: created, updated_at: _updated, ...view } = virtualViewSchema.parse(made.body);
    assert.match(created, /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual(view, {
      tenant_id: 'default',
      name: 'dev',
      ...body,
      source: 'api',
      unknown_servers: ['git'],
    });
    await world.clock.advance(60);
    await until('told', () => namesOf(gateway.heard) === 'default/dev');
    assert.deepEqual(toldOf(gateway.heard), [{ tenant_id: 'default', name: 'dev', ...body }]);

    await world.clock.advance(1_000);
    const replaced = await client.put(`${path}/dev`, { members: [{ server: 'git' }] });
    assert.deepEqual(
      [replaced.status, replaced.body['names'], replaced.body['description']],
      [200, 'bare', undefined],
    );
    assert.equal(replaced.body['created_at'], created);
    assert.notEqual(replaced.body['updated_at'], created);
    const { unknown_servers: _unknown, ...listed } = replaced.body;
    assert.deepEqual(items(await client.get(path)), [listed]);
    assert.deepEqual((await client.get(`${path}/dev`)).body, replaced.body);
    assert.equal((await client.put(`${path}/new`, { members: [{ server: 'git' }] })).status, 201);

    assert.equal((await client.delete(`${path}/dev`)).status, 204);
    assert.equal((await client.delete(`${path}/dev`)).status, 404);
    assert.equal((await client.get(`${path}/dev`)).status, 404);
    await world.clock.advance(60);
    await until('told', () => namesOf(gateway.heard) === 'default/new');
  });

  it('say on the bus that they changed', async () => {
    await using world = new World();
    const client = await open(world);
    const said: string[] = [];
    world.outside.subscribe('cruvero.events.>', ({ body: event }) => {
      const { payload } = event as JsonObject;
      if (isJsonObject(payload)) said.push(`${payload['action']} ${payload['server']}`);
    });
    await client.put(`${path}/dev`, body);
    await client.delete(`${path}/dev`);
    const ours = () => said.filter((each) => each.startsWith('virtual_server.'));
    await until('both', () => ours().length === 2);
    assert.deepEqual(ours(), ['virtual_server.upserted dev', 'virtual_server.deleted dev']);
  });

  it('may have the name of a real server, and stay when its members go', async () => {
    await using world = new World();
    const client = await open(world);
    await client.put(`${admin}/servers/files`, http);
    assert.equal((await client.post(path, { name: 'files', ...body })).status, 201);
    await client.delete(`${admin}/servers/files`);
    assert.deepEqual((await client.get(`${path}/files`)).body['unknown_servers'], ['files', 'git']);
  });

  const wrong: readonly [string, string, string, Json, number, string, RegExp][] = [
    [
      'a name that is none',
      'POST',
      '',
      { ...body, name: 'A.b' },
      400,
      'bad_request',
      /body name: must match/,
    ],
    ['a path that is none', 'PUT', '/A.b', body, 400, 'bad_request', /must match/],
    ['no members', 'PUT', '/dev', {}, 400, 'bad_request', /body members: /],
    ['a misspelt field', 'PUT', '/dev', { ...body, member: [] }, 400, 'bad_request', /member/],
    ['a name in a PUT', 'PUT', '/dev', { ...body, name: 'dev' }, 400, 'bad_request', /name/],
    [
      'one alias twice',
      'PUT',
      '/dev',
      { members: [{ server: 'a', aliases: { x: 'z', y: 'z' } }] },
      400,
      'bad_request',
      /members\.0\.aliases: give one name to two things/,
    ],
    ['a tenant that is none', 'PUT', '/dev?tenant=a/b', body, 400, 'bad_request', /tenant/],
    ['an unknown parameter', 'GET', '?x=1', null, 400, 'bad_request', /x/],
  ];
  for (const [what, method, rest, sent, status, code, message] of wrong) {
    it(`with ${what} are refused`, async () => {
      await using world = new World();
      const client = await open(world);
      const answer = await client.send(method, `${path}${rest}`, sent ?? undefined);
      assert.deepEqual([answer.status, codeOf(answer)], [status, code]);
      assert.match(messageOf(answer), message);
      assert.deepEqual(items(await client.get(path)), []);
    });
  }

  it('are not made twice by POST', async () => {
    await using world = new World();
    const client = await open(world);
    await client.post(path, { name: 'dev', ...body });
    const again = await client.post(path, { name: 'dev', members: [{ server: 'x' }] });
    assert.deepEqual([again.status, codeOf(again)], [409, 'exists']);
    assert.equal((await client.get(`${path}/dev`)).body['description'], 'For builds');
  });

  it('are bounded in number, and an old one can still be replaced', async () => {
    await using world = new World();
    const client = await open(world);
    await world.memory.transaction(async (tx) => {
      for (let n = 0; n < 1_000; n += 1) {
        const virtual = { tenantId: 'default' as never, ...definition(`v${n}`) };
        await tx.putVirtual({ virtual, source: 'api' });
      }
    });
    for (const answer of [
      await client.put(`${path}/one-more`, body),
      await client.post(path, { name: 'one-more', ...body }),
    ])
      assert.deepEqual([answer.status, codeOf(answer)], [409, 'too_many']);
    assert.equal((await client.put(`${path}/v7`, body)).status, 200);
  });
});

describe('virtual servers of another tenant', () => {
  it('are for its own admins, and for those of the default tenant', async () => {
    await using world = new World();
    const client = await open(world);
    const made = await client.post(`${admin}/api-keys`, {
      principal: 'boss',
      tenant_id: 'acme',
      scopes: ['admin'],
    });
    const registry = await world.start();
    const theirs = new Client(registry.listening?.url ?? '', String(made.body['key']));
    assert.equal((await theirs.put(`${path}/dev`, body)).body['tenant_id'], 'acme');
    assert.equal((await client.get(`${path}/dev`)).status, 404);
    assert.equal((await client.get(`${path}/dev?tenant=acme`)).status, 200);
    for (const answer of [
      await theirs.get(`${path}?tenant=default`),
      await theirs.put(`${path}/dev?tenant=default`, body),
      await theirs.delete(`${path}/dev?tenant=default`),
      await theirs.post(path, { name: 'x', tenant_id: 'default', ...body }),
    ])
      assert.deepEqual([answer.status, codeOf(answer)], [403, 'wrong_tenant']);
    const [mine, all] = [world.gateway('gw-acme'), world.gateway('gw-all')];
    await client.put(`${path}/ours`, body);
    await mine.ask({}, 'acme');
    await all.ask({}, 'default');
    await until('both', () => mine.heard.length >= 4 && all.heard.length >= 4);
    assert.equal(namesOf(mine.heard), 'acme/dev');
    assert.equal(namesOf(all.heard), 'acme/dev,default/ours');
  });

  it('need the scope admin', async () => {
    await using world = new World();
    const client = await open(world);
    assert.equal((await client.raw(path)).status, 401);
    const agent = await client.raw(path, { headers: [['x-api-key', agentKey]] });
    assert.deepEqual([agent.status, codeOf(agent)], [403, 'forbidden']);
    assert.equal((await client.raw(path, { headers: [['x-api-key', adminKey]] })).status, 200);
  });
});

describe('virtual servers of the configuration file', () => {
  const stage = async (world: World, ...virtuals: readonly VirtualDefinition[]) => {
    const source = settableSource({ servers: [], virtuals, problems: [] });
    const registry = await world.start({}, source);
    const client = new Client(registry.listening?.url ?? '');
    const rows = async () => items(await client.get(path)).map((row) => `${row['name']} ${row['source']}`);
    const until2 = (expected: readonly string[]) =>
      until(expected.join(), async () => (await rows()).join() === expected.join());
    return { source, client, rows, becomes: until2 };
  };

  it('follow the file: they come, change and go with it', async () => {
    await using world = new World();
    const { source, client, rows, becomes } = await stage(world, definition('a'), definition('b'));
    assert.deepEqual(await rows(), ['a file', 'b file']);
    const revision = await world.memory.revision();
    source.set({ servers: [], virtuals: [definition('a'), definition('b')], problems: [] });
    source.set({ servers: [], virtuals: [definition('b', 'git'), definition('c')], problems: [] });
    await becomes(['b file', 'c file']);
    assert.equal(await world.memory.revision(), revision + 3, 'b changed, c came, a went; no more');
    assert.deepEqual((await client.get(`${path}/b`)).body['members'], [{ server: 'git' }]);
    source.set({ servers: [], problems: ['cannot be read'] });
    source.set({ servers: [], virtuals: [definition('c')], problems: [] });
    await becomes(['c file']);
    source.set({ servers: [], problems: [] });
    await becomes([]);
  });

  it('are changed in the file only, and leave those alone that were made by REST', async () => {
    await using world = new World();
    const { source, client, rows, becomes } = await stage(world, definition('a'));
    for (const answer of [await client.put(`${path}/a`, body), await client.delete(`${path}/a`)]) {
      assert.deepEqual([answer.status, codeOf(answer)], [409, 'configured']);
      assert.match(messageOf(answer), /configuration file/);
    }
    await client.put(`${path}/mine`, body);
    source.set({ servers: [], problems: [] });
    await becomes(['mine api']);
    source.set({ servers: [], virtuals: [definition('mine')], problems: [] });
    await becomes(['mine file']);
    assert.match(JSON.stringify(world.telemetry.lines), /takes a virtual server over/);
    assert.deepEqual(await rows(), ['mine file']);
  });

  it('wait for a store that is away', async () => {
    await using world = new World();
    const { source, becomes } = await stage(world, definition('a'));
    world.fragile.away = true;
    source.set({ servers: [], virtuals: [definition('b')], problems: [] });
    await world.clock.advance(1_000);
    world.fragile.away = false;
    await world.clock.advance(3_000);
    await becomes(['b file']);
  });
});
