/** Whatever a call asks for, it gets one answer; what belongs to nobody is answered here, and too many are told to come again. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultProfile, type Fault, type Reply } from '@cruvero/core';
import { defaultBounds } from '@cruvero/upstream';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import {
  aggregate,
  alice,
  doorOf,
  done,
  instance,
  legacySpoken,
  modernSpoken,
  permitted,
  server,
  snapshot,
  type CallFacts,
} from './calls.fixture.ts';
import { Calls, profileOf } from './calls.ts';
import { Catalog } from './catalog/catalog.ts';
import { FakeFleet } from './fleet.fixture.ts';
import { Deadline } from './deadline.ts';
import { LegacyTasks } from './legacy-tasks.ts';
import { Links } from './links.ts';
import type { Routed } from './pipeline.ts';
import { sealWith } from './seal.ts';
import { TaskIds } from './task-ids.ts';

const fleetOf = snapshot(
  [server('files', { instances: [instance('i1')] })],
  [defaultProfile, { ...defaultProfile, name: 'strict', toolDenylist: ['*'] }],
);

async function stage(answer: (call: Routed) => Promise<Reply> = async () => done, callsMax = 2) {
  const clock = new SimClock();
  const fleet = new FakeFleet();
  fleet.at('http://i1.test/mcp').tools = [{ name: 'read' }];
  const links = new Links(defaultBounds, {
    upstreams: { http: fleet },
    clock,
    random: () => 0.5,
    clientInfo: {},
  });
  const catalog = new Catalog(
    {
      links,
      clock,
      random: () => 0.5,
      telemetry: new MemoryTelemetry(),
      snapshot: () => fleetOf,
      onChange: () => undefined,
      listAgeMs: 60_000,
    },
    {},
  );
  await settle();
  const routed: Routed[] = [];
  const pipeline = (call: Routed): Promise<Reply> => {
    routed.push(call);
    return answer(call);
  };
  const taskIds = new TaskIds(sealWith([new Uint8Array(32)]));
  const legacyTasks = new LegacyTasks(taskIds, undefined);
  const sessionMethods = { answer: () => undefined };
  const limit = (): undefined => undefined;
  const calls = new Calls({
    catalog,
    links,
    pipeline,
    sessionMethods,
    limit,
    taskIds,
    legacyTasks,
    version: '1',
    callsMax,
  });
  const run = (facts: CallFacts, principal = alice) =>
    calls.run(permitted({ snapshot: fleetOf, ...facts }), principal);
  return { calls, run, routed, clock };
}

const read = { params: { name: 'mcp.files.read' } };

const textOf = (outcome: Reply | Fault): string => ('text' in outcome ? outcome.text : '');

describe('a call', () => {
  it('that pings is answered here', async () => {
    const { run, routed } = await stage();
    assert.deepEqual(await run({ method: 'ping' }), { kind: 'result', text: '{}' });
    assert.equal(routed.length, 0);
  });

  for (const method of [
    'logging/setLevel',
    'resources/subscribe',
    'resources/unsubscribe',
    'server/discover',
    'subscriptions/listen',
  ]) {
    it(`for ${method} of a legacy caller is not known, at either door`, async () => {
      const { run, routed } = await stage();
      for (const door of [aggregate, doorOf('files')]) {
        assert.deepEqual(await run({ method, door, spoken: legacySpoken }), {
          fault: 'unknown_method',
          method,
        });
      }
      assert.equal(routed.length, 0);
    });
  }

  it('to discover is answered here with the face behind the door', async () => {
    const { run } = await stage();
    const spoken = modernSpoken();
    const both = [];
    for (const door of [aggregate, doorOf('files'), doorOf('gone')])
      both.push(await run({ method: 'server/discover', door, spoken }));
    assert.match(JSON.stringify(both[0]), /cruvero-mcp/);
    assert.match(JSON.stringify(both[1]), /supportedVersions/);
    assert.partialDeepStrictEqual(both[2] ?? {}, { fault: 'unknown_server' });
  });

  it('for a list of the aggregate is answered from the catalog, in the era of the caller', async () => {
    const { run, routed } = await stage();
    const legacy = await run({ method: 'tools/list' });
    assert.equal(textOf(legacy), '{"tools":[{"name":"mcp.files.read"}]}');
    const modern = await run({ method: 'tools/list', spoken: modernSpoken() });
    assert.match(textOf(modern), /"resultType":"complete","ttlMs":0,"cacheScope":"private"/);
    const strict = await run({ method: 'tools/list' }, { ...alice, profile: 'strict' });
    assert.equal(textOf(strict), '{"tools":[]}');
    assert.equal(routed.length, 0);
  });

  it('for anything else goes its way with the profile of its principal', async () => {
    const { run, routed } = await stage();
    assert.equal(await run(read), done);
    assert.equal(routed[0]?.target, 'read');
    assert.partialDeepStrictEqual(await run(read, { ...alice, profile: 'strict' }), { fault: 'forbidden' });
    assert.equal(await run(read, { ...alice, profile: 'gone' }), done);
    assert.equal(routed[1]?.profile.name, 'default');
  });

  it('beyond the bound is told to come again, and the count falls again', async () => {
    const gate = Promise.withResolvers<Reply>();
    const { calls, run, clock } = await stage(() => gate.promise);
    const running = [run(read), run(read)];
    assert.equal(calls.running, 2);
    assert.partialDeepStrictEqual(await run(read), { fault: 'overloaded', retryAfterMs: 1_000 });
    gate.resolve(done);
    await Promise.all(running);
    assert.equal(calls.running, 0);
    assert.equal(await run(read), done);
    assert.equal(clock.pending, 1, 'the catalog only: no deadline is left');
  });

  it('counts down also where the way throws', async () => {
    const { calls, run } = await stage(() => Promise.reject(new Error('a bug')));
    await assert.rejects(run(read), /a bug/);
    assert.equal(calls.running, 0);
  });

  it('is aborted at its deadline', async () => {
    const gate = Promise.withResolvers<Reply>();
    const { run, clock } = await stage(() => gate.promise);
    const abort = new AbortController();
    const running = run({ ...read, abort, deadline: new Deadline(100, abort, clock) });
    await clock.advance(99);
    assert.equal(abort.signal.aborted, false);
    await clock.advance(1);
    assert.equal(abort.signal.aborted, true);
    gate.resolve(done);
    await running;
  });
});

describe('the profile of a principal', () => {
  it('that is gone is the default one, told or built in, and never none', () => {
    assert.equal(profileOf({ ...alice, profile: 'strict' }, fleetOf).name, 'strict');
    assert.equal(profileOf({ ...alice, profile: 'gone' }, fleetOf).name, 'default');
    assert.equal(profileOf(alice, snapshot([], [])), defaultProfile);
  });
});
