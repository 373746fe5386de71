/** The snapshot is what the newest payloads and the verdicts say; what is older, broken or expired is left out. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  authSchema,
  policySchema,
  serversSchema,
  serverSettingsSchema,
  type ConfigScope,
} from '@cruvero/contracts';
import { defaultProfile, type JsonObject } from '@cruvero/core';
import { authPayload, gatewayId, profileRow, serverRow, type ServerFacts } from '../gateway.fixture.ts';
import { buildSnapshot, verdictKey, versionsOf, type Payloads } from './snapshot-state.ts';
import { serversOf, SnapshotState, type SnapshotChange } from './state.ts';

const servers = (version: number, ...facts: readonly ServerFacts[]) =>
  serversSchema.parse({ version, servers: facts.map(serverRow) });
const policy = (version: number, ...profiles: readonly JsonObject[]) =>
  policySchema.parse({ version, profiles });

function stage(payloads: Payloads = {}) {
  const changes: SnapshotChange[] = [];
  const state = new SnapshotState(gatewayId, payloads, (change) => changes.push(change));
  const names = () => [...state.current().servers.keys()];
  const last = () => {
    const { added, removed, changed } = changes.at(-1) ?? assert.fail();
    const named = (list: readonly { name: string }[]) => list.map(({ name }) => name);
    return { added: named(added), removed: named(removed), changed: named(changed) };
  };
  return { state, changes, names, last };
}

describe('a snapshot', () => {
  it('of nothing has the default profile, and lets nobody in', () => {
    const { current } = { current: buildSnapshot(gatewayId, {}, new Map()) };
    assert.equal(current.profiles.get('default'), defaultProfile);
    assert.deepEqual([current.servers.size, current.apiKeys.size], [0, 0]);
    assert.deepEqual(current.versions, { servers: 0, policy: 0, auth: 0 });
  });

  it('holds servers by tenant and name, with all that a call needs', () => {
    const row = serverRow({
      name: 'files',
      version: '1.2',
      tools: [{ name: 'read' }],
      endpoints: ['http://a/', 'http://b/'],
    });
    const rows = [
      { ...row, capabilities_hash: 'h', strategy: 'weighted', 'x-unknown': 1 },
      serverRow({ name: 'files', tenant: 'acme' }),
    ];
    const { servers: map } = buildSnapshot(
      gatewayId,
      { servers: serversSchema.parse({ version: 3, servers: rows }) },
      new Map(),
    );
    assert.deepEqual([...map.keys()], ['default/files', 'acme/files']);
    assert.partialDeepStrictEqual(map.get('default/files' as never), {
      tenantId: 'default',
      name: 'files',
      version: '1.2',
      capabilitiesHash: 'h',
      strategy: 'weighted',
      tools: [{ name: 'read' }],
      instances: [
        { instanceId: 'files-1', endpoint: 'http://a/', transport: 'http', weight: 1, health: 'healthy' },
        { instanceId: 'files-2', endpoint: 'http://b/' },
      ],
    });
  });

  it('leaves out what has no usable name: tenants, instances, and servers without any instance', () => {
    const good = serverRow({ name: 'good' });
    const rows = [
      { ...good, tenant_id: 'bad/tenant' },
      { ...serverRow({ name: 'noone' }), instances: [] },
      {
        ...serverRow({ name: 'odd' }),
        instances: [{ ...(good['instances'] as JsonObject[])[0], instance_id: 'has space' }],
      },
      good,
    ];
    const { servers: map } = buildSnapshot(
      gatewayId,
      { servers: serversSchema.parse({ version: 1, servers: rows }) },
      new Map(),
    );
    assert.deepEqual([...map.keys()], ['default/good']);
  });

  it('holds keys by their hash, and profiles by name, the default one replaced where it is told', () => {
    const snapshot = buildSnapshot(
      gatewayId,
      {
        auth: authSchema.parse(authPayload(7)),
        policy: policy(
          4,
          profileRow('default', { rate_limit: 5 }),
          profileRow('strict', { tool_denylist: ['*'], tool_allowlist: ['a'] }),
        ),
      },
      new Map(),
    );
    assert.equal(snapshot.apiKeys.size, 5);
    assert.partialDeepStrictEqual([...snapshot.apiKeys.values()][3], {
      tenantId: 'acme',
      principal: 'zoe',
      scopes: ['mcp'],
    });
    assert.equal(snapshot.profiles.get('default')?.rateLimit, 5);
    assert.partialDeepStrictEqual(snapshot.profiles.get('strict'), {
      toolDenylist: ['*'],
      toolAllowlist: ['a'],
    });
    assert.deepEqual(snapshot.versions, { servers: 0, policy: 4, auth: 7 });
  });

  it('leaves out a key whose tenant is none', () => {
    const auth = authSchema.parse(authPayload());
    const [first, ...rest] = auth.keys;
    assert.ok(first);
    const keys = [{ ...first, tenant_id: 'a b' }, ...rest];
    assert.equal(buildSnapshot(gatewayId, { auth: { ...auth, keys } }, new Map()).apiKeys.size, 4);
  });

  it('says which versions it is made of, scope by scope', () => {
    assert.deepEqual(versionsOf({}), {
      'config.servers': 0,
      'config.server_settings': 0,
      'config.policy': 0,
      'config.auth': 0,
    });
    const settings = serverSettingsSchema.parse({ config_version: 9, servers: [] });
    assert.partialDeepStrictEqual(versionsOf({ servers: servers(3), server_settings: settings }), {
      'config.servers': 3,
      'config.server_settings': 9,
    });
  });
});

describe('a payload', () => {
  it('is applied when it is newer; what is older or the same is ignored', () => {
    const { state, names, changes } = stage();
    assert.equal(state.apply('servers', servers(5, { name: 'a' })), true);
    assert.equal(state.apply('servers', servers(4, { name: 'b' })), false);
    assert.equal(state.apply('servers', servers(5, { name: 'b' })), false);
    assert.equal(state.apply('servers', undefined), false);
    assert.deepEqual(names(), ['default/a']);
    assert.equal(changes.length, 1);
    assert.equal(state.apply('servers', servers(6, { name: 'b' })), true);
    assert.deepEqual(names(), ['default/b']);
  });

  it('of version 0 is applied where there was none', () => {
    const { state } = stage();
    assert.equal(state.apply('policy', policy(0, profileRow())), true);
    assert.equal(state.apply('policy', policy(0, profileRow())), false);
  });

  const scopes: readonly [ConfigScope, Payloads[ConfigScope]][] = [
    ['auth', authSchema.parse(authPayload(2))],
    ['policy', policy(2, profileRow())],
    ['server_settings', serverSettingsSchema.parse({ config_version: 2, servers: [] })],
  ];
  for (const [scope, payload] of scopes) {
    it(`of ${scope} changes no server`, () => {
      const { state, last } = stage({ servers: servers(1, { name: 'a' }) });
      assert.equal(state.apply(scope, payload), true);
      assert.deepEqual(last(), { added: [], removed: [], changed: [] });
      assert.deepEqual(state.payloads()[scope], payload);
    });
  }

  it('of another incarnation is applied whatever its version, scope by scope', () => {
    const of = (incarnation: string, version: number, ...facts: readonly ServerFacts[]) => ({
      ...servers(version, ...facts),
      incarnation,
    });
    const { state, names } = stage({
      servers: of('a', 57, { name: 'old' }),
      policy: { ...policy(57, profileRow()), incarnation: 'a' },
    });
    assert.equal(state.apply('servers', of('b', 3, { name: 'new' })), true);
    assert.deepEqual(names(), ['default/new']);
    assert.equal(state.apply('servers', of('b', 3)), false);
    assert.equal(state.apply('servers', of('b', 2)), false);
    assert.equal(state.apply('servers', of('b', 4)), true);
    assert.equal(state.apply('policy', { ...policy(3, profileRow()), incarnation: 'b' }), true);
    assert.deepEqual(state.current().versions, { servers: 4, policy: 3, auth: 0 });
  });

  it('is compared by version where it names no incarnation, or took the first one', () => {
    const { state } = stage({ servers: servers(7, { name: 'a' }) });
    assert.equal(state.apply('servers', { ...servers(7, { name: 'a' }), incarnation: 'a' }), true);
    assert.equal(state.apply('servers', servers(6)), false);
    assert.equal(state.apply('servers', servers(8)), true);
  });

  it('from before the restart stands until a newer one comes', () => {
    const { state, names } = stage({ servers: servers(7, { name: 'a' }) });
    assert.deepEqual(names(), ['default/a']);
    assert.equal(state.apply('servers', servers(6)), false);
    assert.equal(state.apply('servers', servers(8)), true);
  });
});

describe('a change of servers', () => {
  it('is told as what came, what went and what is another one now', () => {
    const { state, last } = stage({ servers: servers(1, { name: 'a' }, { name: 'b' }, { name: 'c' }) });
    state.apply('servers', servers(2, { name: 'b' }, { name: 'c', version: '2' }, { name: 'd' }));
    assert.deepEqual(last(), { added: ['d'], removed: ['a'], changed: ['c'] });
  });

  const others: readonly [string, ServerFacts][] = [
    ['another address', { name: 'a', endpoint: 'http://elsewhere.test/' }],
    ['another transport', { name: 'a', transport: 'sse' }],
    ['one more instance', { name: 'a', endpoints: ['http://a.test/mcp', 'http://a2.test/mcp'] }],
    ['another version', { name: 'a', version: '2' }],
  ];
  for (const [what, facts] of others) {
    it(`is one where there is ${what}`, () => {
      const { state, last } = stage({ servers: servers(1, { name: 'a' }) });
      state.apply('servers', servers(2, facts));
      assert.deepEqual(last().changed, ['a']);
    });
  }

  it('is none where only the health is another', () => {
    const { state, last } = stage({ servers: servers(1, { name: 'a' }) });
    state.apply('servers', servers(2, { name: 'a', health: 'degraded' }));
    assert.deepEqual(last(), { added: [], removed: [], changed: [] });
  });

  it('leaves the snapshot of a running call as it was', () => {
    const { state } = stage({ servers: servers(1, { name: 'a' }) });
    const held = state.current();
    state.apply('servers', servers(2));
    assert.deepEqual([...held.servers.keys()], ['default/a']);
    assert.equal(state.current().servers.size, 0);
  });
});

describe('a verdict', () => {
  const key = verdictKey('default', 'a', 'a-1');
  const healthOf = (state: SnapshotState) => [...state.current().servers.values()][0]?.instances[0]?.health;

  it('is laid over the instance, until the control plane says more', () => {
    const { state, changes } = stage({ servers: servers(1, { name: 'a' }) });
    state.judge(key, 'unhealthy');
    assert.equal(healthOf(state), 'unhealthy');
    state.judge(key, 'unhealthy');
    assert.equal(changes.length, 1, 'the same again changes nothing');
    state.apply('servers', servers(2, { name: 'a' }));
    assert.equal(healthOf(state), 'healthy');
  });

  it('of expired takes the instance out, and the server with its last one; another verdict brings it back', () => {
    const { state, names, last } = stage({
      servers: servers(1, { name: 'a', endpoints: ['http://1/', 'http://2/'] }),
    });
    state.judge(key, 'expired');
    assert.deepEqual(last().changed, ['a']);
    state.judge(verdictKey('default', 'a', 'a-2'), 'expired');
    assert.deepEqual(last().removed, ['a']);
    assert.deepEqual(names(), []);
    state.judge(key, 'healthy');
    assert.deepEqual(last().added, ['a']);
  });

  it('of another tenant, or of an instance that is not here, changes nothing', () => {
    const { state } = stage({ servers: servers(1, { name: 'a' }) });
    state.judge(verdictKey('acme', 'a', 'a-1'), 'expired');
    state.judge(verdictKey('default', 'a', 'a-9'), 'expired');
    assert.equal(healthOf(state), 'healthy');
  });

  it('is one of a bounded number', () => {
    const { state } = stage();
    for (let n = 0; n < 10_001; n += 1) state.judge(verdictKey('default', 'a', `i${n}`), 'stale');
    state.apply('servers', servers(1, { name: 'a' }));
    assert.equal(healthOf(state), 'healthy');
  });
});

describe('the servers of a tenant', () => {
  it('stand in order of their names, and no other tenant is among them', () => {
    const { state } = stage({
      servers: servers(1, { name: 'c' }, { name: 'a' }, { name: 'x', tenant: 'acme' }, { name: 'b' }),
    });
    assert.deepEqual(
      serversOf(state.current(), 'default').map(({ name }) => name),
      ['a', 'b', 'c'],
    );
  });
});
