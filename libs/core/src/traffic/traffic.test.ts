/** The rules of traffic: breaker, balance, limit, retry. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Fault } from '../model/fault.ts';
import { balanceStrategies, type Instance } from '../model/snapshot.ts';
import type { HealthStatus } from '../model/server.ts';
import { hash32, pickInstance, type BalanceFacts } from './balance.ts';
import {
  admits,
  admitting,
  stepBreaker,
  type Breaker,
  type BreakerEvent,
  type BreakerPolicy,
} from './breaker.ts';
import { fullBucket, takeToken } from './limit.ts';
import { decideRetry } from './retry.ts';

const policy: BreakerPolicy = { failuresMax: 3, successesMin: 2, pauseMs: 1_000, pauseMsMax: 8_000 };
const walk = (from: Breaker, ...events: readonly (readonly [BreakerEvent, number])[]): Breaker =>
  events.reduce((b, [event, atMs]) => stepBreaker(b, event, atMs, policy), from);

describe('the breaker', () => {
  const shut = walk(admitting, ['failed', 0], ['failed', 1], ['failed', 2]);

  it('shuts after so many failures in a row, and not before', () => {
    assert.equal(walk(admitting, ['failed', 0], ['failed', 1]).at, 'admitting');
    assert.equal(shut.at, 'shut');
    assert.equal(admits(shut, 1_001), false);
  });

  it('forgets failures at a success', () => {
    assert.equal(
      walk(admitting, ['failed', 0], ['failed', 1], ['succeeded', 2], ['failed', 3], ['failed', 4]).at,
      'admitting',
    );
  });

  it('lets one call try after the pause, and no second one beside it', () => {
    assert.equal(admits(shut, 1_002), true);
    const probing = walk(shut, ['asked', 1_002]);
    assert.equal(probing.at, 'probing');
    assert.equal(admits(probing, 1_003), false);
  });

  it('opens the way after enough successful tries', () => {
    const open = walk(shut, ['asked', 1_002], ['succeeded', 1_003], ['asked', 1_004], ['succeeded', 1_005]);
    assert.deepEqual(open, admitting);
  });

  it('doubles the pause with every failed try, up to its bound', () => {
    let breaker = shut;
    const pauses: number[] = [];
    for (let i = 0; i < 6; i += 1) {
      const atMs = breaker.at === 'shut' ? breaker.untilMs : 0;
      breaker = walk(breaker, ['asked', atMs], ['failed', atMs]);
      pauses.push(breaker.at === 'shut' ? breaker.untilMs - atMs : 0);
    }
    assert.deepEqual(pauses, [2_000, 4_000, 8_000, 8_000, 8_000, 8_000]);
  });

  it('lets another call try when the trying caller went away, or never came back', () => {
    const probing = walk(shut, ['asked', 1_002]);
    assert.equal(admits(walk(probing, ['abandoned', 1_003]), 1_004), true);
    assert.equal(admits(probing, 1_002 + 60_000), true);
  });

  it('always admits again some time after the last event, whatever happened', () => {
    const event = fc.constantFrom<BreakerEvent>('asked', 'succeeded', 'failed', 'abandoned');
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.nat(5_000))), (steps) => {
        let nowMs = 0;
        let breaker: Breaker = admitting;
        for (const [what, waitMs] of steps) breaker = stepBreaker(breaker, what, (nowMs += waitMs), policy);
        assert.equal(admits(breaker, nowMs + 60_000), true);
      }),
    );
  });
});

const instance = (id: string, health: HealthStatus = 'healthy', weight = 1): Instance => ({
  instanceId: id as Instance['instanceId'],
  transport: 'http',
  endpoint: `http://${id}/mcp`,
  weight,
  tags: [],
  health,
});
const facts = (given: Partial<BalanceFacts> = {}): BalanceFacts => ({
  inFlight: () => 0,
  admits: () => true,
  tried: new Set(),
  turn: 0,
  affinity: 'caller',
  random: () => 0,
  ...given,
});
const idOf = (pick: ReturnType<typeof pickInstance>): string =>
  'none' in pick ? pick.none : pick.instance.instanceId;

describe('the balancer', () => {
  const three = [instance('a'), instance('b'), instance('c')];

  it('goes round', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((turn) => idOf(pickInstance(three, 'round_robin', facts({ turn })))),
      ['a', 'b', 'c', 'a'],
    );
  });

  it('prefers the least busy, and goes round among equals', () => {
    const busy = new Map([
      ['a', 2],
      ['b', 1],
      ['c', 1],
    ]);
    const inFlight = (i: Instance) => busy.get(i.instanceId) ?? 0;
    assert.equal(idOf(pickInstance(three, 'least_connections', facts({ inFlight }))), 'b');
    assert.equal(idOf(pickInstance(three, 'least_connections', facts({ inFlight, turn: 2 }))), 'c');
  });

  it('weighs', () => {
    const weighted = [instance('a', 'healthy', 1), instance('b', 'healthy', 3)];
    const picks = [0, 0.24, 0.25, 0.99].map((r) =>
      idOf(pickInstance(weighted, 'weighted', facts({ random: () => r }))),
    );
    assert.deepEqual(picks, ['a', 'a', 'b', 'b']);
  });

  it('keeps a caller at its instance, and moves only those whose instance left', () => {
    const callers = Array.from({ length: 200 }, (_, i) => `caller-${i}`);
    const at = (instances: readonly Instance[], affinity: string) =>
      idOf(pickInstance(instances, 'consistent_hash', facts({ affinity })));
    const before = callers.map((c) => at(three, c));
    const after = callers.map((c) => at(three.slice(0, 2), c));
    assert.ok(before.every((id, i) => id === 'c' || id === after[i]));
    assert.deepEqual(new Set(before), new Set(['a', 'b', 'c']));
    assert.notEqual(hash32('a'), hash32('b'));
  });

  const ladder: readonly [string, readonly Instance[], Partial<BalanceFacts>, string][] = [
    ['healthy before degraded', [instance('a', 'degraded'), instance('b')], {}, 'b'],
    ['unknown is as good as healthy', [instance('a', 'stale'), instance('b', 'unknown')], {}, 'b'],
    ['a stale one where there is no better', [instance('a', 'stale'), instance('b', 'unhealthy')], {}, 'a'],
    ['an expired one never', [instance('a', 'expired')], {}, 'no_instances'],
    ['none where there are none', [], {}, 'no_instances'],
    ['not one whose breaker is shut', three, { admits: (i) => i.instanceId === 'c' }, 'c'],
    ['none where all are shut', three, { admits: () => false }, 'all_shut'],
    ['not one that was tried', three, { tried: new Set(['a', 'b']) }, 'c'],
    ['none where all were tried', three, { tried: new Set(['a', 'b', 'c']) }, 'all_tried'],
    [
      'an untried worse one before a tried better one',
      [instance('a'), instance('b', 'degraded')],
      { tried: new Set(['a']) },
      'b',
    ],
  ];
  for (const [name, instances, given, expected] of ladder) {
    it(`takes ${name}`, () =>
      assert.equal(idOf(pickInstance(instances, 'round_robin', facts(given))), expected));
  }

  it('picks one of the given instances or says why not, in every strategy', () => {
    const health = fc.constantFrom<HealthStatus>(
      'healthy',
      'degraded',
      'stale',
      'unhealthy',
      'unknown',
      'expired',
    );
    fc.assert(
      fc.property(
        fc.array(health, { maxLength: 6 }),
        fc.constantFrom(...balanceStrategies),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.nat(),
        (healths, strategy, r, turn) => {
          const instances = healths.map((h, i) => instance(`i${i}`, h, i + 1));
          const pick = pickInstance(instances, strategy, facts({ random: () => r, turn }));
          if ('none' in pick) assert.ok(healths.every((h) => h === 'expired'));
          else assert.ok(instances.includes(pick.instance) && pick.instance.health !== 'expired');
        },
      ),
    );
  });
});

describe('the token bucket', () => {
  const bounds = { ratePerSecond: 10, burst: 3 };

  it('lets the burst through, then says how long to wait', () => {
    let bucket = fullBucket(bounds, 0);
    const waits: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      const taken = takeToken(bucket, 0, bounds);
      bucket = taken.bucket;
      waits.push(taken.retryAfterMs);
    }
    assert.deepEqual(waits, [0, 0, 0, 100, 100]);
    assert.equal(takeToken(bucket, 100, bounds).retryAfterMs, 0);
  });

  it('never lets more through than burst and rate allow, whatever the times', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(500), { maxLength: 200 }), (gaps) => {
        let bucket = fullBucket(bounds, 0);
        let nowMs = 0;
        let through = 0;
        for (const gapMs of gaps) {
          const taken = takeToken(bucket, (nowMs += gapMs), bounds);
          bucket = taken.bucket;
          if (taken.retryAfterMs === 0) through += 1;
        }
        assert.ok(through <= bounds.burst + (nowMs * bounds.ratePerSecond) / 1_000 + 1e-6);
      }),
    );
  });

  it('is not fooled by a clock that runs backwards', () => {
    const { bucket } = takeToken(fullBucket(bounds, 1_000), 1_000, bounds);
    assert.ok(takeToken(bucket, 0, bounds).bucket.tokens <= bounds.burst);
  });
});

describe('retry', () => {
  const bounds = { retriesMax: 2, backoffMs: 100, backoffMsMax: 1_000 };
  const away = (neverLeft: boolean): Fault => ({
    fault: 'upstream_unavailable',
    server: 's',
    detail: 'd',
    neverLeft,
  });
  const timeout: Fault = { fault: 'upstream_timeout', server: 's', timeoutMs: 1 };
  const decide = (given: object) =>
    decideRetry(
      { made: 1, fault: away(true), idempotent: false, elsewhere: false, leftMs: 10_000, ...given },
      bounds,
      () => 0,
    );

  const table: readonly [string, object, object][] = [
    ['what never left is sent again after a pause', {}, { retryInMs: 50 }],
    ['the pause grows', { made: 2 }, { retryInMs: 100 }],
    ['at once where another instance stands ready', { elsewhere: true }, { retryInMs: 0 }],
    ['not for ever', { made: 3 }, { stop: true }],
    ['what may have arrived is not sent twice', { fault: away(false) }, { stop: true }],
    ['unless twice does no harm', { fault: away(false), idempotent: true }, { retryInMs: 50 }],
    ['a timeout may have run', { fault: timeout }, { stop: true }],
    ['a timeout of a reading call is tried again', { fault: timeout, idempotent: true }, { retryInMs: 50 }],
    ['not past the deadline', { leftMs: 40 }, { stop: true }],
    [
      'what the caller did wrong stays wrong',
      { fault: { fault: 'bad_params', detail: 'd' }, idempotent: true },
      { stop: true },
    ],
    ['what was cancelled stays so', { fault: { fault: 'cancelled' }, idempotent: true }, { stop: true }],
  ];
  for (const [name, given, expected] of table) it(name, () => assert.deepEqual(decide(given), expected));
});
