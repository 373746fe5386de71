/** The registry as gateways and operators see it: snapshots, first keys, configured servers, outages. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  authSchema,
  configBucket,
  decode,
  isDecodeProblem,
  policySchema,
  readConfigBody,
  serverSettingsSchema,
  serversSchema,
} from '@cruvero/contracts';
import type { Json, ServerName, ServerRecord } from '@cruvero/core';
import { Secret } from '@cruvero/chassis';
import { defaultTenant, isJsonObject } from '@cruvero/core';
import type { BusMessage, ConfiguredServer } from '@cruvero/ports';
import { isBusFault } from '@cruvero/ports';
import { settle } from '@cruvero/testkit';
import { startRegistry } from './registry.ts';
import { Client } from './rest/client.fixture.ts';
import {
  acme,
  adminKey,
  agentKey,
  announceOf,
  baseConfig,
  settableSource,
  until,
  verdictOf,
  World,
} from './world.fixture.ts';

const scopeOf = (message: BusMessage): string => message.subject.split('.').at(-1) ?? '';
const bodyOf = (heard: readonly BusMessage[], scope: string): Json =>
  heard.findLast((message) => scopeOf(message) === scope)?.body ?? null;
const versionOf = (heard: readonly BusMessage[]): number => {
  const body = bodyOf(heard, 'servers');
  return isJsonObject(body) ? Number(body['version']) : -1;
};
const namesIn = (heard: readonly BusMessage[]): readonly string[] => {
  const payload = decode(serversSchema, bodyOf(heard, 'servers'));
  return isDecodeProblem(payload) ? [payload.problem] : payload.servers.map((server) => server.name);
};

describe('a gateway', () => {
  it('that asks is recorded and told all four scopes, in the shapes of the contract, with one version', async () => {
    await using world = new World();
    await world.start();
    await world.say('announce', announceOf('weather'));
    await until('announced', () => world.done() === 1);
    const gateway = world.gateway('gw-1');
    await gateway.ask();
    await until('four scopes', () => gateway.heard.length === 4);
    const revision = await world.memory.revision();
    const payloads = {
      servers: decode(serversSchema, bodyOf(gateway.heard, 'servers')),
      server_settings: decode(serverSettingsSchema, bodyOf(gateway.heard, 'server_settings')),
      policy: decode(policySchema, bodyOf(gateway.heard, 'policy')),
      auth: decode(authSchema, bodyOf(gateway.heard, 'auth')),
    };
    for (const [scope, payload] of Object.entries(payloads))
      assert.equal(isDecodeProblem(payload), false, scope);
    assert.equal('version' in payloads.servers && payloads.servers.version, revision);
    assert.equal(
      'config_version' in payloads.server_settings && payloads.server_settings.config_version,
      revision,
    );
    const keys = 'keys' in payloads.auth ? payloads.auth.keys.map((key) => [key.principal, key.sha256]) : [];
    const hash = (key: string) => createHash('sha256').update(key).digest('hex');
    assert.deepEqual(
      new Map(keys as [string, string][]),
      new Map([
        ['agent', hash(agentKey)],
        ['admin', hash(adminKey)],
      ]),
    );
    assert.doesNotMatch(JSON.stringify(gateway.heard), /crv_/);
    const [record] = await world.memory.gateways();
    assert.deepEqual([record?.gatewayId, record?.tenantId], ['gw-1', 'default']);
  });

  it('that has everything is told nothing, and what it has is recorded', async () => {
    await using world = new World();
    await world.start();
    const gateway = world.gateway('gw-1');
    const revision = await world.memory.revision();
    const all = ['servers', 'server_settings', 'policy', 'auth'].map(
      (scope) => [`config.${scope}`, revision] as const,
    );
    await gateway.ask(Object.fromEntries(all));
    await world.clock.advance(5_000);
    assert.deepEqual(gateway.heard, []);
    assert.equal((await world.memory.gateways())[0]?.appliedVersions['config.servers'], revision);
    await gateway.ask({ ...Object.fromEntries(all), 'config.policy': 0 });
    await until('one scope', () => gateway.heard.length === 1);
    assert.deepEqual(gateway.heard.map(scopeOf), ['policy']);
  });

  it('hears of an announcement within 50 ms, and of a burst in few snapshots', async () => {
    await using world = new World();
    await world.start();
    const gateway = world.gateway('gw-1');
    await gateway.ask();
    await until('the first four', () => gateway.heard.length === 4);
    for (let i = 0; i < 20; i += 1) await world.say('announce', announceOf(`server-${i}`));
    await until('all are done', () => world.done() === 20);
    await world.clock.advance(50);
    await until('the newest', async () => versionOf(gateway.heard) === (await world.memory.revision()));
    assert.equal(namesIn(gateway.heard).length, 20);
    assert.ok(gateway.heard.length <= 12, `${gateway.heard.length} messages for 20 announcements`);
  });

  it('sees health change, and the server go with its last instance', async () => {
    await using world = new World();
    await world.start();
    const gateway = world.gateway('gw-1');
    await gateway.ask();
    await world.say('announce', announceOf('weather'));
    await world.say('verdict', verdictOf('weather', 'stale', 'stale'));
    await until('both are done', () => world.done() === 2);
    await world.clock.advance(50);
    await until('stale is told', () =>
      JSON.stringify(bodyOf(gateway.heard, 'servers')).includes('"health":"stale"'),
    );
    await world.say('deregister', { server: 'weather' });
    await until('gone', () => world.done() === 3);
    await world.clock.advance(50);
    await until('gone is told', async () => versionOf(gateway.heard) === (await world.memory.revision()));
    assert.deepEqual(namesIn(gateway.heard), []);
  });

  it('of one tenant sees its own servers and keys only; a gateway of the default tenant sees all', async () => {
    await using world = new World();
    await world.start();
    await world.say('announce', announceOf('weather'));
    await world.say('announce', announceOf('weather'), { tenant_id: 'acme' });
    await until('both', () => world.done() === 2);
    const [own, all] = [world.gateway('gw-acme'), world.gateway('gw-all')];
    await own.ask({}, acme);
    await all.ask();
    await until('eight', () => own.heard.length === 4 && all.heard.length === 4);
    assert.deepEqual(namesIn(all.heard), ['weather', 'weather']);
    assert.deepEqual(namesIn(own.heard), ['weather']);
    assert.doesNotMatch(JSON.stringify(own.heard), /"tenant_id":"default"/);
  });

  it('gets what does not fit in a message through the bucket', async () => {
    await using world = new World();
    await world.start();
    const tools = Array.from({ length: 60 }, (_, i) => ({
      name: `tool-${i}`,
      description: 'ü'.repeat(5_000),
    }));
    await world.say('announce', announceOf('big', { tools }));
    await world.say('announce', announceOf('big-too', { tools }));
    await until('announced', () => world.done() === 2);
    const gateway = world.gateway('gw-1');
    await gateway.ask();
    await until('four scopes', () => gateway.heard.length === 4);
    const body = bodyOf(gateway.heard, 'servers');
    assert.ok(JSON.stringify(body).length < 1_000);
    const whole = await readConfigBody(body, async (key) => {
      const read = await world.outside.getValue(configBucket, key);
      return isBusFault(read) ? undefined : read.value;
    });
    const payload = isDecodeProblem(whole) ? whole : decode(serversSchema, whole);
    assert.deepEqual('servers' in payload && payload.servers.map((s) => s.tools), [tools, tools]);
  });

  it('under a name that is not the one of its subject, or that is no name, is not answered', async () => {
    await using world = new World();
    await world.start();
    for (const body of [
      { gateway_id: 'gw-2' },
      {},
      'x',
      { gateway_id: 'gw-1', last_known_versions: 3 },
    ] as Json[]) {
      await world.outside.publish('mcpgw.gw-1.config.request', body);
    }
    await world.outside.publish('mcpgw.gw-1.config.request', { gateway_id: 'gw-1', tenant_id: 'a/b' });
    await world.outside.flush();
    await settle(50);
    assert.deepEqual(await world.memory.gateways(), []);
  });

  it('reports what it applied', async () => {
    await using world = new World();
    await world.start();
    await world.gateway('gw-1').ask();
    await until('recorded', async () => (await world.memory.gateways()).length === 1);
    const report = (payload: Json) =>
      world.outside.publish('mcpgw.gw-1.events.config.applied', {
        event_type: 'config.applied',
        gateway_id: 'gw-1',
        payload,
      });
    await report({ scope: 'servers', version: 7 });
    await report({ versions: { 'config.policy': 8, __proto__x: 9, auth: 'no' } });
    await until(
      'both',
      async () => (await world.memory.gateways())[0]?.appliedVersions['config.policy'] === 8,
    );
    assert.deepEqual((await world.memory.gateways())[0]?.appliedVersions, {
      'config.servers': 7,
      'config.policy': 8,
    });
  });

  it('is told after an outage of the bus, and of the store, without asking again', async () => {
    await using world = new World();
    await world.start();
    const gateway = world.gateway('gw-1');
    await gateway.ask();
    await until('the first four', () => gateway.heard.length === 4);
    world.broker.setReachable(false);
    await world.memory.transaction(async (tx) => void (await tx.bumpRevision()));
    await world.clock.advance(4_000);
    world.broker.setReachable(true);
    await world.clock.advance(4_000);
    await until('the newest', async () => versionOf(gateway.heard) === (await world.memory.revision()));

    world.fragile.away = true;
    const asker = world.gateway('gw-2');
    await asker.ask();
    await world.clock.advance(4_000);
    assert.deepEqual(asker.heard, []);
    world.fragile.away = false;
    await world.clock.advance(4_000);
    await until('the answer', () => asker.heard.length === 4);
  });

  it('hears what another registry wrote', async () => {
    await using world = new World();
    await world.start();
    const gateway = world.gateway('gw-1');
    await gateway.ask();
    await until('the first four', () => gateway.heard.length === 4);
    await world.memory.transaction(async (tx) => void (await tx.bumpRevision()));
    await world.clock.advance(3_100);
    await until('the newest', async () => versionOf(gateway.heard) === (await world.memory.revision()));
  });
});

describe('the bus', () => {
  it('hears one registry_sync event for each change, none for a heartbeat', async () => {
    await using world = new World();
    const heard: Json[] = [];
    await world.start();
    world.outside.subscribe('cruvero.events.>', (message) => void heard.push(message.body));
    await world.say('announce', announceOf('weather'));
    await world.say('heartbeat', { server: 'weather', instance_id: 'weather-1', seq: 1 });
    await world.say('announce', announceOf('weather'));
    await world.say('deregister', { server: 'weather' });
    await until(
      'done and published',
      async () => world.done() === 4 && (await world.memory.outbox(9)).length === 0,
    );
    await world.outside.flush();
    const actions = heard.map((body) =>
      isJsonObject(body) && isJsonObject(body['payload']) ? body['payload']['action'] : '',
    );
    assert.deepEqual(actions.slice(-2), ['server.upserted', 'server.deleted']);
    assert.equal(actions.filter((action) => String(action).startsWith('server.')).length, 2);
  });
});

describe('the first start', () => {
  it('makes an agent key and an admin key once, and keeps their hashes only', async () => {
    await using world = new World();
    const { adminKey: _a, agentKey: _b, ...none } = baseConfig;
    const modules = { store: world.memory, bus: world.bus, clock: world.clock, telemetry: world.telemetry };
    const first = await startRegistry(none, modules);
    const { agentKey: agent = '', adminKey: admin = '' } = first.firstKeys ?? {};
    for (const key of [agent, admin]) assert.match(key, /^crv_[A-Za-z0-9_-]{43}$/);
    assert.notEqual(agent, admin);
    const stored = await world.memory.apiKeys();
    assert.deepEqual(
      new Map(stored.map((key) => [key.principal, key.scopes])),
      new Map([
        ['agent', ['mcp']],
        ['admin', ['mcp', 'admin']],
      ]),
    );
    assert.doesNotMatch(JSON.stringify([stored, world.telemetry.lines]), /crv_/);
    assert.deepEqual(
      (await world.memory.profiles()).map((profile) => profile.name),
      ['default'],
    );
    await first[Symbol.asyncDispose]();
    const revision = await world.memory.revision();
    await using second = await startRegistry(none, modules);
    assert.equal(second.firstKeys, undefined);
    assert.equal(await world.memory.revision(), revision);
  });

  it('of two processes at once makes one pair', async () => {
    await using world = new World();
    const { adminKey: _a, agentKey: _b, ...none } = baseConfig;
    const modules = { store: world.memory, clock: world.clock, telemetry: world.telemetry };
    const both = await Promise.all([
      startRegistry(none, { ...modules, bus: world.bus }),
      startRegistry(none, { ...modules, bus: world.outside }),
    ]);
    assert.equal(both.filter((each) => each.firstKeys !== undefined).length, 1);
    assert.equal((await world.memory.apiKeys()).length, 2);
    for (const each of both) await each[Symbol.asyncDispose]();
  });

  it('stores configured keys instead, also later, and a changed one replaces the old', async () => {
    await using world = new World();
    assert.equal((await world.start()).firstKeys, undefined);
    const before = await world.memory.apiKeys();
    await world.start({ adminKey: new Secret('crv_another-admin-key') });
    const after = await world.memory.apiKeys();
    assert.equal(after.length, 2);
    assert.notDeepEqual(after, before);
  });
});

const url = (name: string, address: string): Extract<ConfiguredServer, { kind: 'url' }> => ({
  kind: 'url',
  name: name as ServerName,
  transport: 'http',
  url: address,
});
const command = (name: string): ConfiguredServer => ({
  kind: 'command',
  name: name as ServerName,
  command: 'x',
  args: [],
  env: {},
  instances: 1,
});

describe('configured servers', () => {
  it('are expected at gateways unless they were refused or taken out of service', async () => {
    const servers = [
      url('docs', 'http://10.0.0.7/mcp'),
      url('refused', 'http://169.254.169.254/latest'),
      url('off', 'http://10.0.0.8/mcp'),
      command('local'),
      command('stopped'),
    ];
    await using world = new World();
    const registry = await world.start({}, settableSource({ servers, problems: [] }));
    await world.say('announce', announceOf('stopped'));
    await until('announced', () => world.done() === 1);
    await world.memory.transaction(async (tx) => {
      await tx.updateStatus(defaultTenant, 'off' as ServerName, 'disabled');
      await tx.updateStatus(defaultTenant, 'stopped' as ServerName, 'draining');
    });
    assert.deepEqual(await registry.expected(servers), ['docs', 'local']);
  });

  it('with a url become rows, follow the file, and go when they leave it; commands are left to the bridge', async () => {
    await using world = new World();
    const source = settableSource({
      servers: [url('docs', 'http://10.0.0.7/mcp'), command('local')],
      problems: [],
    });
    await world.start({}, source);
    const names = async () =>
      (await world.memory.list(defaultTenant)).map((row) => `${row.name} ${row.source} ${row.endpoint}`);
    assert.deepEqual(await names(), ['docs file http://10.0.0.7/mcp']);
    const revision = await world.memory.revision();
    source.set({ servers: [url('docs', 'http://10.0.0.7/mcp'), command('local')], problems: [] });
    await settle(20);
    assert.equal(await world.memory.revision(), revision, 'the same file is no change');
    source.set({
      servers: [url('docs', 'http://10.0.0.8/mcp'), url('meta', 'http://169.254.169.254/')],
      problems: ['one is bad'],
    });
    await until('moved', async () => (await names())[0] === 'docs file http://10.0.0.8/mcp');
    assert.equal((await names()).length, 1);
    source.set({ servers: [], problems: [] });
    await until('gone', async () => (await names()).length === 0);
  });

  it('with a credential are shown to no instance that was announced before; replaced over REST, they still go with the file', async () => {
    await using world = new World();
    const source = settableSource({ servers: [], problems: [] });
    const registry = await world.start({}, source);
    await world.say('announce', announceOf('docs', { endpoint: 'http://10.6.6.6/mcp' }));
    await until('announced', () => world.done() === 1);
    const credential = { secretRef: 'docs', scheme: 'bearer', field: 'token' } as NonNullable<
      ServerRecord['credential']
    >;
    source.set({ servers: [{ ...url('docs', 'http://10.0.0.7/mcp'), credential }], problems: [] });
    const ids = async () =>
      (await world.memory.instances(defaultTenant, 'docs' as ServerName)).map((row) => row.instanceId);
    await until('taken over', async () => (await ids()).join() === 'configured');
    const client = new Client(registry.listening?.url ?? '');
    await client.put('/admin/api/v1/servers/docs', { transport: 'http', endpoint: 'http://10.0.0.9/mcp' });
    assert.deepEqual((await ids()).sort(), ['api', 'configured']);
    source.set({ servers: [], problems: [] });
    await until('out', async () => (await ids()).join() === 'api');
  });

  it('a command that the bridge announced goes when it is in the file no more and deregisters', async () => {
    await using world = new World();
    const source = settableSource({ servers: [command('local')], problems: [] });
    await world.start({}, source);
    await world.say('announce', announceOf('local', { source: 'file' }));
    await world.say('deregister', { server: 'local' });
    await until('both', () => world.done() === 2);
    assert.equal(
      (await world.memory.list(defaultTenant)).length,
      1,
      'a bridge that stops keeps its servers known',
    );
    source.set({ servers: [], problems: [] });
    await until('gone', async () => (await world.memory.list(defaultTenant)).length === 0);
    await world.say('announce', announceOf('local', { source: 'file' }));
    await world.say('deregister', { server: 'local' });
    await until('four', () => world.done() === 4);
    assert.equal((await world.memory.list(defaultTenant)).length, 0);
  });

  it('stay as they are while the file cannot be read', async () => {
    await using world = new World();
    const source = settableSource({ servers: [url('docs', 'http://10.0.0.7/mcp')], problems: [] });
    await world.start({}, source);
    source.set({ servers: [], problems: ['cruvero.json is not JSON'] });
    await settle(50);
    assert.equal((await world.memory.list(defaultTenant)).length, 1);
  });

  it('wait for a store that is away', async () => {
    await using world = new World();
    const source = settableSource({ servers: [], problems: [] });
    await world.start({}, source);
    world.fragile.away = true;
    source.set({ servers: [url('docs', 'http://10.0.0.7/mcp')], problems: [] });
    await world.clock.advance(5_000);
    world.fragile.away = false;
    await world.clock.advance(5_000);
    await until('taken', async () => (await world.memory.list(defaultTenant)).length === 1);
  });

  it('are not read where only announced ones are wanted', async () => {
    await using world = new World();
    await world.start(
      { discovery: 'nats' },
      settableSource({ servers: [url('docs', 'http://10.0.0.7/mcp')], problems: [] }),
    );
    assert.deepEqual(await world.memory.list(defaultTenant), []);
  });
});
