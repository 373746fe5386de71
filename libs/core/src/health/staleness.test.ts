/** Silence and what it means, as a table and as properties. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { lifeStatuses, silenceBounds, statusAfter } from './staleness.ts';

describe('the bounds of silence', () => {
  it('are three and nine intervals where nothing is configured', () => {
    assert.deepEqual(silenceBounds(30_000, undefined), { staleAfterMs: 90_000, expiredAfterMs: 270_000 });
  });

  it('follow the configured threshold', () => {
    assert.deepEqual(silenceBounds(1_000, 5_000), { staleAfterMs: 5_000, expiredAfterMs: 15_000 });
  });

  it('always let one heartbeat get lost, however short the configured threshold', () => {
    assert.deepEqual(silenceBounds(60_000, 90_000), { staleAfterMs: 120_000, expiredAfterMs: 360_000 });
  });

  it('turn a silence into a status, and the bound itself is still within', () => {
    const bounds = silenceBounds(10, undefined);
    const table = [
      [0, 'active'],
      [30, 'active'],
      [31, 'stale'],
      [90, 'stale'],
      [91, 'expired'],
      [1e12, 'expired'],
    ] as const;
    for (const [silentMs, status] of table)
      assert.equal(statusAfter(silentMs, bounds), status, `${silentMs} ms`);
  });

  it('never let a longer silence mean more life', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 86_400_000 }),
        fc.option(fc.integer({ min: 1, max: 86_400_000 }), { nil: undefined }),
        fc.nat(1e9),
        fc.nat(1e9),
        (intervalMs, thresholdMs, one, other) => {
          const bounds = silenceBounds(intervalMs, thresholdMs);
          assert.ok(bounds.staleAfterMs >= 2 * intervalMs && bounds.expiredAfterMs > bounds.staleAfterMs);
          const shorter = lifeStatuses.indexOf(statusAfter(Math.min(one, other), bounds));
          const longer = lifeStatuses.indexOf(statusAfter(Math.max(one, other), bounds));
          assert.ok(shorter <= longer);
        },
      ),
    );
  });
});
