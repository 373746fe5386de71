/** Children are started again with growing pauses, and given up slowly. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  defaultSupervision as policy,
  startSupervision,
  stepSupervision,
  type Supervision,
} from './supervision.ts';

const died = { event: 'died', reason: 'it died' } as const;
const step = (state: Supervision, event: Parameters<typeof stepSupervision>[1], nowMs: number, random = 1) =>
  stepSupervision(state, event, nowMs, random, policy);

/** Lets it die at once, again and again; the waits between. */
function quickDeaths(count: number): number[] {
  const waits: number[] = [];
  let nowMs = 0;
  let state = startSupervision(nowMs);
  for (let i = 0; i < count; i += 1) {
    state = step(state, died, nowMs);
    assert.ok('untilMs' in state);
    waits.push(state.untilMs - nowMs);
    nowMs = state.untilMs;
    state = step(state, { event: 'due' }, nowMs);
    assert.equal(state.at, 'starting');
  }
  return waits;
}

describe('supervision', () => {
  it('waits twice as long after each quick death, and longest once it has failed', () => {
    assert.deepEqual(quickDeaths(8), [200, 400, 800, 1_600, 3_200, 60_000, 60_000, 60_000]);
  });

  it('forgets quick deaths after a long life', () => {
    let state = startSupervision(0);
    for (const [atMs, event] of [
      [0, died],
      [200, { event: 'due' }],
      [300, { event: 'discovered' }],
      [90_000, died],
    ] as const) {
      state = step(state, event, atMs);
    }
    assert.deepEqual(state, { at: 'backing_off', untilMs: 90_200, quickDeaths: 1, reason: 'it died' });
  });

  it('counts each life without an answer, however long it was', () => {
    let state = startSupervision(0);
    for (let at = 1; at <= policy.quickDeathsMax; at += 1) {
      state = step(state, died, at * 200_000);
      assert.equal(state.at, at < policy.quickDeathsMax ? 'backing_off' : 'failed');
      state = step(state, { event: 'due' }, at * 200_000 + 100_000);
    }
  });

  it('comes back from failure when somebody has mended it', () => {
    let state: Supervision = { at: 'failed', untilMs: 100, quickDeaths: 9, reason: 'x' };
    state = step(step(state, { event: 'due' }, 100), { event: 'discovered' }, 150);
    assert.equal(state.at, 'running');
    state = step(state, died, 100_000);
    assert.equal(state.at, 'backing_off');
  });

  it('keeps its rules whatever happens: never early, never too late, never out of stopped', () => {
    const event = fc.oneof(
      fc.constant(died),
      fc.constantFrom(
        { event: 'discovered' } as const,
        { event: 'due' } as const,
        { event: 'stop' } as const,
      ),
    );
    const steps = fc.array(
      fc.tuple(event, fc.nat({ max: 120_000 }), fc.double({ min: 0, max: 0.999, noNaN: true })),
    );
    fc.assert(
      fc.property(steps, (all) => {
        let state: Supervision = startSupervision(0);
        let nowMs = 0;
        for (const [what, byMs, random] of all) {
          nowMs += byMs;
          const before = state;
          state = step(before, what, nowMs, random);
          if (before.at === 'stopped') assert.equal(state.at, 'stopped');
          if ('untilMs' in before && state.at === 'starting') assert.ok(nowMs >= before.untilMs);
          if ('untilMs' in state && state !== before) {
            const waitMs = state.untilMs - nowMs;
            assert.ok(waitMs >= policy.firstWaitMs / 2 && waitMs <= policy.failedWaitMs);
          }
        }
      }),
    );
  });
});
