/** Tests of the figures. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { figuresOf, median, percentile, rotated, throughputRatio, type Round } from './figures.ts';

const round = (tookMs: readonly number[], seconds: number, cpuMs?: number): Round => ({
  sample: { tookMs: Float64Array.from(tookMs), seconds, errors: 0, problems: [] },
  cpuMs,
});

describe('percentile and median', () => {
  it('take a value that was measured, and the middle', () => {
    const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);
    assert.deepEqual(
      [0.5, 0.99, 1].map((share) => percentile(hundred, share)),
      [50, 99, 100],
    );
    assert.equal(percentile(new Float64Array(), 0.99), 0);
    assert.deepEqual([median([3, 1, 2]), median([4, 1, 3, 2]), median([])], [2, 2.5, 0]);
  });
});

describe('figuresOf', () => {
  it('takes the middle round for throughput and all calls for times', () => {
    const found = figuresOf([round([1, 2], 1, 2), round([3, 4, 5, 6], 1, 4), round([100], 1, 1)]);
    assert.deepEqual(
      [found.calls, found.callsPerSecond, found.p50Ms, found.p99Ms, found.cpuUsPerCall],
      [7, 2, 4, 100, 1_000],
    );
  });

  it('says nothing of processor time where one round has none, or nothing was answered', () => {
    assert.equal(figuresOf([round([1], 1, 2), round([1], 1)]).cpuUsPerCall, undefined);
    assert.equal(figuresOf([round([], 1, 2)]).cpuUsPerCall, undefined);
  });
});

describe('throughputRatio', () => {
  it('pairs the rounds, so that a slow moment of the machine changes nothing', () => {
    const one = [round([1, 1], 1), round([1, 1], 10), round([1, 1], 1)];
    const other = [round([1, 1, 1, 1], 1), round([1, 1, 1, 1], 10), round([1, 1, 1, 1], 1)];
    assert.equal(throughputRatio(one, other), 0.5);
  });

  it('is not there where nothing was answered on the other side', () => {
    assert.equal(throughputRatio([round([1], 1)], [round([], 1)]), undefined);
    assert.equal(throughputRatio([], []), undefined);
  });
});

describe('rotated', () => {
  it('lets each target begin once', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((at) => rotated(['a', 'b', 'c'], at).join('')),
      ['abc', 'bca', 'cab', 'abc'],
    );
    assert.deepEqual(rotated([], 3), []);
  });
});
