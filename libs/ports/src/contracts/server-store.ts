/** What every server store must keep: the suite that memory, PGlite and PostgreSQL all run. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { GatewayId, InstanceId, Integration, PolicyProfile, ServerName, TenantId } from '@cruvero/core';
import type { ServerStore } from '../server-store.ts';
import {
  apiKey,
  draftOf,
  first,
  instanceOf,
  profile,
  tenantA,
  tenantB,
  virtualOf,
  weather,
} from './server-store-drafts.ts';
import { virtualRows } from './server-store-virtuals.ts';

export interface StoreClock {
  nowMs(): number;
}
/** Opens an empty store whose rows are stamped by this clock. */
export type OpenStore = (clock: StoreClock) => Promise<ServerStore>;

class TestClock implements StoreClock {
  atMs = 1_800_000_000_000;
  nowMs(): number {
    return this.atMs;
  }
}

type Story = (store: ServerStore, clock: TestClock) => Promise<void>;

/** Every test gets a store of its own. */
export function serverStoreContract(name: string, open: OpenStore): void {
  const test = (sentence: string, story: Story): void => {
    it(sentence, async () => {
      const clock = new TestClock();
      await using store = await open(clock);
      await story(store, clock);
    });
  };
  describe(`${name} keeps the ServerStore contract`, () => {
    serverRows(test);
    tenancy(test);
    instanceRows(test);
    atomicity(test);
    wholeView(test);
    smallTables(test);
    virtualRows(test);
  });
}

type Test = (sentence: string, story: Story) => void;

function serverRows(test: Test): void {
  test('gives back every field of a record exactly', async (store) => {
    const draft = draftOf({
      command: 'node',
      args: ['server.js', '--mode', 'a b'],
      envVars: { TOKEN: 'x' },
      allowedEndpoints: ['http://127.0.0.1:8089/'],
      credential: { secretRef: 'github' as Integration, scheme: 'header', header: 'x-api-key', field: 'key' },
      debug: true,
      version: '1.2.0',
      capabilities: { tools: {}, odd: [null, 1.5, 'ü'] },
      healthReason: 'one sentence',
      lastHealthyMs: 1_799_999_999_999,
    });
    const made = await store.transaction((tx) => tx.upsert(draft));
    const { id, createdAtMs, updatedAtMs, ...rest } = made;
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.deepEqual([createdAtMs, updatedAtMs], [1_800_000_000_000, 1_800_000_000_000]);
    assert.deepEqual(rest, draft);
    assert.deepEqual(await store.get(tenantA, weather), made);
  });

  test('keeps announced tools letter for letter: key order, control characters, lone surrogates', async (store) => {
    const tools = [
      { name: 'odd', zulu: 1, alpha: { b: 1, a: 2 }, description: 'nul \0 and half \ud800 a pair' },
    ];
    await store.transaction((tx) => tx.upsert(draftOf({ tools })));
    const read = await store.get(tenantA, weather);
    assert.equal(JSON.stringify(read?.tools), JSON.stringify(tools));
  });

  test('leaves out what was not given', async (store) => {
    const { endpoint: _endpoint, tools: _tools, lastSeenMs: _seen, ...bare } = draftOf();
    await store.transaction((tx) => tx.upsert(bare));
    const read = await store.get(tenantA, weather);
    for (const key of ['endpoint', 'tools', 'lastSeenMs', 'healthReason', 'command', 'version']) {
      assert.equal(key in (read ?? {}), false, key);
    }
  });

  test('an upsert of the same record keeps id and creation time and makes no second row', async (store, clock) => {
    const one = await store.transaction((tx) => tx.upsert(draftOf()));
    clock.atMs += 5_000;
    const two = await store.transaction((tx) => tx.upsert(draftOf()));
    assert.deepEqual({ ...two, updatedAtMs: 0 }, { ...one, updatedAtMs: 0 });
    assert.equal(two.updatedAtMs, 1_800_000_005_000);
    assert.equal((await store.list(tenantA)).length, 1);
  });

  test('an upsert takes away fields that the new draft does not have', async (store) => {
    await store.transaction((tx) => tx.upsert(draftOf({ version: '1', healthReason: 'old' })));
    const again = await store.transaction((tx) => tx.upsert(draftOf()));
    assert.equal('version' in again || 'healthReason' in again, false);
  });

  test('lists by name in plain character order, and by source', async (store) => {
    const names = ['b', 'a_b', 'a-b', 'a', 'a0'] as ServerName[];
    await store.transaction(async (tx) => {
      for (const [i, name] of names.entries()) {
        await tx.upsert(draftOf({ name, source: i % 2 === 0 ? 'nats' : 'file' }));
      }
    });
    assert.deepEqual(
      (await store.list(tenantA)).map((row) => row.name),
      ['a', 'a-b', 'a0', 'a_b', 'b'],
    );
    assert.deepEqual(
      (await store.listBySource(tenantA, 'file')).map((row) => row.name),
      ['a', 'a_b'],
    );
    assert.deepEqual(await store.listBySource(tenantA, 'env'), []);
  });

  test('updates health and status of what exists and says so', async (store, clock) => {
    await store.transaction((tx) => tx.upsert(draftOf()));
    clock.atMs += 1_000;
    const done = await store.transaction(async (tx) => [
      await tx.updateHealth(tenantA, weather, 'healthy', 'probe answered'),
      await tx.updateStatus(tenantA, weather, 'active'),
      await tx.updateHealth(tenantA, 'nobody' as ServerName, 'healthy'),
      await tx.updateStatus(tenantA, 'nobody' as ServerName, 'active'),
    ]);
    assert.deepEqual(done, [true, true, false, false]);
    const row = await store.get(tenantA, weather);
    assert.deepEqual(
      [row?.healthStatus, row?.healthReason, row?.status, row?.lastHealthyMs, row?.updatedAtMs],
      ['healthy', 'probe answered', 'active', 1_800_000_001_000, 1_800_000_001_000],
    );
    await store.transaction((tx) => tx.updateHealth(tenantA, weather, 'stale'));
    const stale = await store.get(tenantA, weather);
    assert.deepEqual(
      [stale?.healthStatus, stale?.healthReason, stale?.lastHealthyMs],
      ['stale', undefined, 1_800_000_001_000],
    );
  });

  test('keeps text that looks like SQL as text', async (store) => {
    const version = `1'); DROP TABLE mcp_servers; --`;
    await store.transaction((tx) => tx.upsert(draftOf({ version })));
    assert.equal((await store.get(tenantA, weather))?.version, version);
  });
}

function tenancy(test: Test): void {
  test('keeps tenants apart in every call', async (store) => {
    await store.transaction(async (tx) => {
      await tx.upsert(draftOf());
      await tx.upsertInstance(instanceOf());
    });
    assert.equal(await store.get(tenantB, weather), undefined);
    assert.deepEqual(await store.list(tenantB), []);
    assert.deepEqual(await store.listBySource(tenantB, 'nats'), []);
    assert.deepEqual(await store.instances(tenantB, weather), []);
    const touched = await store.transaction(async (tx) => [
      (await tx.get(tenantB, weather)) !== undefined,
      (await tx.instances(tenantB, weather)).length > 0,
      await tx.updateHealth(tenantB, weather, 'expired'),
      await tx.updateStatus(tenantB, weather, 'disabled'),
      await tx.updateInstanceHealth(tenantB, weather, first, 'expired'),
      await tx.touchInstance(tenantB, weather, first, 9),
      await tx.deleteInstance(tenantB, weather, first),
      await tx.delete(tenantB, weather),
    ]);
    assert.deepEqual(touched, Array<boolean>(8).fill(false));
    assert.equal((await store.get(tenantA, weather))?.status, 'pending');
    assert.equal((await store.instances(tenantA, weather)).length, 1);
  });

  test('two tenants may use the same server and instance names', async (store) => {
    await store.transaction(async (tx) => {
      for (const tenantId of [tenantA, tenantB]) {
        await tx.upsert(draftOf({ tenantId, endpoint: `http://${tenantId}/mcp` }));
        await tx.upsertInstance(instanceOf({ tenantId, endpoint: `http://${tenantId}/mcp` }));
      }
      await tx.delete(tenantA, weather);
    });
    assert.equal(await store.get(tenantA, weather), undefined);
    assert.equal((await store.get(tenantB, weather))?.endpoint, 'http://tenant-b/mcp');
    assert.equal((await store.instances(tenantB, weather))[0]?.endpoint, 'http://tenant-b/mcp');
  });
}

function instanceRows(test: Test): void {
  test('gives back every field of an instance exactly, ordered by id', async (store) => {
    const full = instanceOf({
      instanceId: 'b:1.2' as InstanceId,
      weight: 7,
      tags: ['eu', 'a b'],
      metadata: { zone: { z: 1, a: [true] } },
      version: '2',
      capabilitiesHash: 'abc',
      heartbeatIntervalMs: 250,
      healthReason: 'starting',
      lastHealthyMs: 1_799_999_999_999,
    });
    await store.transaction(async (tx) => {
      await tx.upsert(draftOf());
      await tx.upsertInstance(full);
      await tx.upsertInstance(instanceOf({ instanceId: 'a' as InstanceId }));
    });
    const [a, b] = await store.instances(tenantA, weather);
    assert.equal(a?.instanceId, 'a');
    assert.deepEqual(b, { ...full, createdAtMs: 1_800_000_000_000, updatedAtMs: 1_800_000_000_000 });
  });

  test('a heartbeat moves last_seen of instance and server forward only, and not updated_at', async (store, clock) => {
    await store.transaction(async (tx) => {
      await tx.upsert(draftOf({ lastSeenMs: 100 }));
      await tx.upsertInstance(instanceOf({ lastSeenMs: 100 }));
    });
    clock.atMs += 9_000;
    const told = await store.transaction(async (tx) => [
      await tx.touchInstance(tenantA, weather, first, 900),
      await tx.touchInstance(tenantA, weather, first, 500),
      await tx.touchInstance(tenantA, weather, 'gone' as InstanceId, 900),
    ]);
    assert.deepEqual(told, [true, true, false]);
    const [row] = await store.instances(tenantA, weather);
    assert.deepEqual([row?.lastSeenMs, row?.updatedAtMs], [900, 1_800_000_000_000]);
    assert.equal((await store.get(tenantA, weather))?.lastSeenMs, 900);
  });

  test('instances go with their server, one alone leaves it', async (store) => {
    await store.transaction(async (tx) => {
      await tx.upsert(draftOf());
      await tx.upsertInstance(instanceOf());
      await tx.upsertInstance(instanceOf({ instanceId: 'two' as InstanceId }));
    });
    const gone = await store.transaction(async (tx) => [
      await tx.deleteInstance(tenantA, weather, first),
      await tx.deleteInstance(tenantA, weather, first),
    ]);
    assert.deepEqual(gone, [true, false]);
    assert.equal((await store.instances(tenantA, weather)).length, 1);
    assert.equal(await store.transaction((tx) => tx.delete(tenantA, weather)), true);
    assert.deepEqual(await store.instances(tenantA, weather), []);
    assert.deepEqual((await store.everything()).instances, []);
  });

  test('updates the health of one instance only', async (store) => {
    await store.transaction(async (tx) => {
      await tx.upsert(draftOf());
      await tx.upsertInstance(instanceOf());
      await tx.upsertInstance(instanceOf({ instanceId: 'two' as InstanceId }));
      await tx.updateInstanceHealth(tenantA, weather, first, 'stale', 'no heartbeat for 90 s');
    });
    const rows = await store.instances(tenantA, weather);
    assert.deepEqual(
      rows.map((row) => [row.instanceId, row.healthStatus, row.healthReason]),
      [
        ['two', 'unknown', undefined],
        ['weather-1', 'stale', 'no heartbeat for 90 s'],
      ],
    );
  });

  test('refuses an instance without a server', async (store) => {
    await assert.rejects(store.transaction((tx) => tx.upsertInstance(instanceOf())));
  });
}

function atomicity(test: Test): void {
  test('commits row, sight, revision and outbox together', async (store) => {
    await store.transaction(async (tx) => {
      assert.equal(await tx.firstSight('evt-1'), true);
      await tx.upsert(draftOf());
      await tx.enqueue({ subject: 's.1', messageId: 'm1', body: { z: 1, a: 2 } });
      await tx.enqueue({ subject: 's.2', messageId: 'm2', body: ['x', null] });
      assert.equal(await tx.bumpRevision(), 1);
    });
    const rows = await store.outbox(10);
    assert.deepEqual(
      rows.map(({ subject, messageId, body }) => ({ subject, messageId, body })),
      [
        { subject: 's.1', messageId: 'm1', body: { z: 1, a: 2 } },
        { subject: 's.2', messageId: 'm2', body: ['x', null] },
      ],
    );
    assert.equal(await store.revision(), 1);
  });

  test('a transaction that throws leaves nothing of itself', async (store) => {
    const before = await store.incarnation();
    const failing = store.transaction(async (tx) => {
      await tx.firstSight('evt-1');
      await tx.upsert(draftOf());
      await tx.putApiKey(apiKey('k1', 'a'));
      await tx.putProfile(profile);
      await tx.putVirtual(virtualOf());
      await tx.renewIncarnation();
      await tx.enqueue({ subject: 's', messageId: 'm', body: {} });
      await tx.bumpRevision();
      throw new Error('on purpose');
    });
    await assert.rejects(failing, /on purpose/);
    const { incarnation, ...all } = await store.everything();
    assert.deepEqual([incarnation, await store.incarnation()], [before, before]);
    const rows = { servers: [], instances: [], apiKeys: [], profiles: [], virtuals: [] };
    assert.deepEqual(all, { revision: 0, ...rows });
    assert.deepEqual(await store.outbox(10), []);
    assert.equal(await store.transaction((tx) => tx.firstSight('evt-1')), true);
  });

  test('sees its own changes before the commit, others do not', async (store) => {
    await store.transaction(async (tx) => {
      await tx.upsert(draftOf());
      assert.equal((await tx.get(tenantA, weather))?.name, weather);
    });
    assert.equal((await store.list(tenantA)).length, 1);
  });

  test('an event id is new once, also when many ask at the same time', async (store) => {
    const asked = await Promise.all(
      Array.from({ length: 8 }, () => store.transaction((tx) => tx.firstSight('evt-same'))),
    );
    assert.equal(asked.filter(Boolean).length, 1);
  });

  test('concurrent upserts of one server make one row, and every revision is given once', async (store) => {
    const revisions = await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        store.transaction(async (tx) => {
          await tx.upsert(draftOf({ version: String(i) }));
          await tx.enqueue({ subject: 's', messageId: `m${i}`, body: i });
          return tx.bumpRevision();
        }),
      ),
    );
    assert.deepEqual(
      [...revisions].sort((a, b) => a - b),
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    assert.equal((await store.list(tenantA)).length, 1);
    const outbox = await store.outbox(100);
    assert.equal(outbox.length, 12);
    const order = outbox.map((row) => revisions[Number(row.messageId.slice(1))]);
    assert.deepEqual(
      order,
      [...order].sort((a, b) => (a ?? 0) - (b ?? 0)),
      'outbox is in commit order',
    );
  });

  test('a read, change, write by many at once loses no step', async (store) => {
    await store.transaction((tx) => tx.upsert(draftOf({ toolCount: 0 })));
    const step = () =>
      store.transaction(async (tx) => {
        const row = await tx.get(tenantA, weather);
        await tx.upsert(draftOf({ toolCount: (row?.toolCount ?? 0) + 1 }));
      });
    await Promise.all(Array.from({ length: 10 }, step));
    assert.equal((await store.get(tenantA, weather))?.toolCount, 10);
  });
}

function wholeView(test: Test): void {
  test('everything() is one consistent view while writers go on', async (store) => {
    const names = ['one', 'two'] as ServerName[];
    const write = (i: number) =>
      store.transaction(async (tx) => {
        const revision = await tx.bumpRevision();
        for (const name of names) await tx.upsert(draftOf({ name, version: String(revision), toolCount: i }));
      });
    const writers = Promise.all(Array.from({ length: 10 }, (_, i) => write(i)));
    for (let i = 0; i < 10; i += 1) {
      const view = await store.everything();
      for (const row of view.servers) assert.equal(row.version, String(view.revision));
    }
    await writers;
    const last = await store.everything();
    assert.deepEqual([last.revision, last.servers.map((row) => row.version)], [10, ['10', '10']]);
  });

  test('everything() holds all tenants, ordered by tenant, name, instance', async (store) => {
    await store.transaction(async (tx) => {
      for (const [tenantId, name] of [
        [tenantB, 'a'],
        [tenantA, 'z'],
        [tenantA, 'b'],
      ] as [TenantId, ServerName][]) {
        await tx.upsert(draftOf({ tenantId, name }));
        for (const id of ['2', '10', '1'] as InstanceId[]) {
          await tx.upsertInstance(instanceOf({ tenantId, serverName: name, instanceId: id }));
        }
      }
    });
    const { servers, instances } = await store.everything();
    assert.deepEqual(
      servers.map((s) => `${s.tenantId}/${s.name}`),
      ['tenant-a/b', 'tenant-a/z', 'tenant-b/a'],
    );
    assert.deepEqual(
      instances.slice(0, 4).map((i) => `${i.serverName}/${i.instanceId}`),
      ['b/1', 'b/10', 'b/2', 'z/1'],
    );
  });
}

function smallTables(test: Test): void {
  test('settles outbox rows by id and hands out the oldest first, bounded', async (store) => {
    await store.transaction(async (tx) => {
      for (let i = 0; i < 5; i += 1) await tx.enqueue({ subject: 's', messageId: `m${i}`, body: i });
    });
    const two = await store.outbox(2);
    assert.deepEqual(
      two.map((row) => row.messageId),
      ['m0', 'm1'],
    );
    await store.settle(two.map((row) => row.id));
    await store.settle([]);
    await store.settle(two.map((row) => row.id));
    assert.deepEqual(
      (await store.outbox(10)).map((row) => row.messageId),
      ['m2', 'm3', 'm4'],
    );
  });

  test('forgets old sights only', async (store, clock) => {
    await store.transaction((tx) => tx.firstSight('old'));
    clock.atMs += 10_000;
    await store.transaction((tx) => tx.firstSight('new'));
    assert.equal(await store.forgetSights(clock.atMs - 5_000), 1);
    const again = await store.transaction(async (tx) => [
      await tx.firstSight('old'),
      await tx.firstSight('new'),
    ]);
    assert.deepEqual(again, [true, false]);
  });

  test('keeps keys and profiles, replaces by id, refuses one hash under two ids', async (store) => {
    const rich: PolicyProfile = { ...profile, name: 'a-rich', toolAllowlist: ['mcp.*'], toolDenylist: [] };
    await store.transaction(async (tx) => {
      await tx.putApiKey(apiKey('k2', 'b'));
      await tx.putApiKey(apiKey('k1', 'a'));
      await tx.putApiKey({ ...apiKey('k1', 'a'), scopes: ['mcp', 'admin'] });
      await tx.putProfile(profile);
      await tx.putProfile(rich);
    });
    assert.deepEqual(await store.apiKeys(), [
      { ...apiKey('k1', 'a'), scopes: ['mcp', 'admin'] },
      apiKey('k2', 'b'),
    ]);
    assert.deepEqual(await store.profiles(), [rich, profile]);
    await assert.rejects(store.transaction((tx) => tx.putApiKey(apiKey('k3', 'a'))));
    const gone = await store.transaction(async (tx) => [
      await tx.deleteApiKey('k1'),
      await tx.deleteApiKey('k1'),
      await tx.deleteProfile('a-rich'),
      await tx.deleteProfile('a-rich'),
    ]);
    assert.deepEqual(gone, [true, false, true, false]);
    const left = await store.everything();
    assert.deepEqual(
      [left.apiKeys.map((k) => k.keyId), left.profiles.map((p) => p.name)],
      [['k2'], ['default']],
    );
  });

  test('keeps the last word of each gateway', async (store) => {
    const gateway = { gatewayId: 'gw-1' as GatewayId, tenantId: tenantA, lastSeenMs: 5, appliedVersions: {} };
    await store.putGateway({ ...gateway, gatewayId: 'gw-2' as GatewayId });
    await store.putGateway(gateway);
    await store.putGateway({ ...gateway, lastSeenMs: 9, appliedVersions: { 'config.servers': 3 } });
    assert.deepEqual(await store.gateways(), [
      { ...gateway, lastSeenMs: 9, appliedVersions: { 'config.servers': 3 } },
      { ...gateway, gatewayId: 'gw-2', lastSeenMs: 5 },
    ]);
    await store.ping();
  });

  test('hands out copies: changing one changes nothing that is stored', async (store) => {
    const tools = [{ name: 'forecast' }];
    const draft = draftOf({ tools });
    await store.transaction((tx) => tx.upsert(draft));
    tools[0]!.name = 'changed later';
    const read = await store.get(tenantA, weather);
    assert.deepEqual(read?.tools, [{ name: 'forecast' }]);
  });
}
