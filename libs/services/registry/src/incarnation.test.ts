/** A store that was wiped or set back begins a new life, and gateways can tell it from the one before. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryServerStore } from '@cruvero/adapter-memory';
import { configScopes } from '@cruvero/contracts';
import type { Json, JsonObject } from '@cruvero/core';
import { isJsonObject } from '@cruvero/core';
import type { BusMessage } from '@cruvero/ports';
import { settle } from '@cruvero/testkit';
import { startRegistry } from './registry.ts';
import { baseConfig, until, World } from './world.fixture.ts';

const perScope = <Value>(value: Value): Readonly<Record<string, Value>> =>
  Object.fromEntries(configScopes.map((scope) => [`config.${scope}`, value]));
const bodiesOf = (heard: readonly BusMessage[]): readonly JsonObject[] =>
  heard.map(({ body }) => (isJsonObject(body) ? body : assert.fail()));
const valuesOf = (heard: readonly BusMessage[], key: string): readonly unknown[] => [
  ...new Set(bodiesOf(heard).map((body) => body[key])),
];

async function ask(world: World, gatewayId: string, changes: Readonly<Record<string, Json>>): Promise<void> {
  await world.outside.publish(`mcpgw.${gatewayId}.config.request`, {
    gateway_id: gatewayId,
    tenant_id: 'default',
    last_known_versions: {},
    ...changes,
  });
}

describe('what gateways are told', () => {
  it('names the life of the store; an answer names its question, what is told unasked names none', async () => {
    await using world = new World();
    await world.start();
    const { heard } = world.gateway('gw-1');
    await ask(world, 'gw-1', { request_id: 'q-1' });
    await until('four scopes', () => heard.length === 4);
    assert.deepEqual(valuesOf(heard, 'incarnation'), [await world.memory.incarnation()]);
    assert.deepEqual(valuesOf(heard, 'in_answer_to'), ['q-1']);
    await world.memory.transaction((tx) => tx.bumpRevision());
    await world.clock.advance(3_100);
    await until('four more', () => heard.length === 8);
    assert.deepEqual(valuesOf(heard.slice(4), 'incarnation'), [await world.memory.incarnation()]);
    assert.deepEqual(valuesOf(heard.slice(4), 'in_answer_to'), [undefined]);
  });

  it('is all of it where the same version is of another life, or of an unknown one', async () => {
    await using world = new World();
    await world.start();
    const { heard } = world.gateway('gw-1');
    const versions = { last_known_versions: perScope(await world.memory.revision()) };
    const mine = perScope(await world.memory.incarnation());
    await ask(world, 'gw-1', { ...versions, last_known_incarnations: mine });
    await ask(world, 'gw-1', versions);
    await settle(20);
    assert.equal(heard.length, 0, 'it has everything, and one that tells no lives apart is believed');
    await ask(world, 'gw-1', { ...versions, last_known_incarnations: { ...mine, 'config.auth': 'other' } });
    await until('the one that is of another life', () => heard.length === 1);
    assert.match(heard[0]?.subject ?? '', /\.auth$/);
    await ask(world, 'gw-1', { ...versions, last_known_incarnations: {} });
    await until('all of it', () => heard.length === 5);
  });
});

describe('a store in the place of another one', () => {
  it('is told at its low revision to a gateway that is far ahead', async () => {
    await using world = new World();
    const { heard } = world.gateway('gw-1');
    const store = new MemoryServerStore({ clock: world.clock });
    const { bus, clock, telemetry } = world;
    await using _registry = await startRegistry(baseConfig, { store, bus, clock, telemetry });
    await ask(world, 'gw-1', {
      last_known_versions: perScope(57),
      last_known_incarnations: perScope('wiped-away'),
    });
    await until('four scopes', () => heard.length === 4);
    assert.deepEqual(valuesOf(heard, 'incarnation'), [await store.incarnation()]);
    const policy = bodiesOf(heard).find((body) => 'profiles' in body);
    assert.equal(policy?.['version'], await store.revision());
  });

  it('is seen by a registry that runs on, even at the same revision', async () => {
    await using world = new World();
    await world.start();
    const { heard } = world.gateway('gw-1');
    await ask(world, 'gw-1', {});
    await until('four scopes', () => heard.length === 4);
    const renewed = await world.memory.transaction((tx) => tx.renewIncarnation());
    await world.clock.advance(3_100);
    await until('four more', () => heard.length === 8);
    assert.deepEqual(valuesOf(heard.slice(4), 'incarnation'), [renewed]);
  });
});

describe('a store that was set back to a backup', () => {
  it('begins a new life when a gateway knows more of this one, and every gateway hears of it', async () => {
    await using world = new World();
    await world.start();
    const first = world.gateway('gw-1').heard;
    const other = world.gateway('gw-2').heard;
    await ask(world, 'gw-2', {});
    await until('the other is told', () => other.length === 4);
    const before = await world.memory.incarnation();
    const ahead = { last_known_versions: perScope(99), last_known_incarnations: perScope(before) };
    await ask(world, 'gw-1', { ...ahead, request_id: 'q-1' });
    await until('both are told', () => first.length === 4 && other.length === 8);
    const after = await world.memory.incarnation();
    assert.notEqual(after, before);
    assert.deepEqual(valuesOf(first, 'incarnation'), [after]);
    assert.deepEqual(valuesOf(first, 'in_answer_to'), ['q-1']);
    assert.deepEqual(valuesOf(other.slice(4), 'incarnation'), [after]);
    assert.match(JSON.stringify(world.telemetry.lines), /it was set back/);
  });

  it('is believed once a minute at most, so that one odd gateway cannot keep the others busy', async () => {
    await using world = new World();
    await world.start();
    const { heard } = world.gateway('gw-1');
    const renewals = new Set<string>([await world.memory.incarnation()]);
    for (let n = 0; n < 4; n += 1) {
      const now = await world.memory.incarnation();
      await ask(world, 'gw-1', {
        last_known_versions: perScope(99),
        last_known_incarnations: perScope(now),
      });
      await until('an answer', () => heard.length === 4 * (n + 1));
      renewals.add(await world.memory.incarnation());
    }
    assert.equal(renewals.size, 2);
    await world.clock.advance(60_000);
    await ask(world, 'gw-1', {
      last_known_versions: perScope(99),
      last_known_incarnations: perScope(await world.memory.incarnation()),
    });
    await until('another life', async () => !renewals.has(await world.memory.incarnation()));
  });

  it('is not seen where a gateway heard of a commit before this registry did', async () => {
    await using world = new World();
    await world.start();
    const { heard } = world.gateway('gw-1');
    await ask(world, 'gw-1', {});
    await until('four scopes', () => heard.length === 4);
    const before = await world.memory.incarnation();
    const revision = await world.memory.transaction((tx) => tx.bumpRevision());
    await ask(world, 'gw-1', {
      last_known_versions: perScope(revision),
      last_known_incarnations: perScope(before),
    });
    await settle(50);
    assert.equal(await world.memory.incarnation(), before);
  });
});
