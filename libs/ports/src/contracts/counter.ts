/** The contract of every Counter: each add counts once, windows and keys are apart. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Counter } from '../counter.ts';

export interface CounterRig {
  readonly counter: Counter;
  /** Another connection to the same counts; the counter itself where counts are of one process only. */
  second(): Promise<Counter>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs the whole suite; `open` gives each test a counter that can be reached and has counted nothing. */
export function counterContract(name: string, open: () => Promise<CounterRig>): void {
  const startMs = 1_800_000_000_000;
  describe(`${name} keeps the Counter contract`, () => {
    it('counts from one', async () => {
      await using rig = await open();
      for (let n = 1; n <= 5; n += 1) assert.equal(await rig.counter.add('k', 60_000, startMs + n), n);
    });

    it('counts every add once, however many come together from two sides', async () => {
      await using rig = await open();
      const other = await rig.second();
      const adds = Array.from({ length: 40 }, (_, i) =>
        (i % 2 ? other : rig.counter).add('k', 60_000, startMs),
      );
      const counts = await Promise.all(adds);
      assert.deepEqual(
        counts.map(Number).sort((a, b) => a - b),
        Array.from({ length: 40 }, (_, i) => i + 1),
      );
    });

    it('keeps keys apart', async () => {
      await using rig = await open();
      for (const key of ['a', 'b', 'a b', '__proto__', 'tenant/é🐙']) {
        assert.equal(await rig.counter.add(key, 60_000, startMs), 1, key);
      }
      assert.equal(await rig.counter.add('a', 60_000, startMs), 2);
    });

    it('starts anew in each window, whose edges are multiples of its length', async () => {
      await using rig = await open();
      const edgeMs = Math.ceil(startMs / 1_000) * 1_000;
      assert.equal(await rig.counter.add('k', 1_000, edgeMs - 1), 1);
      assert.equal(await rig.counter.add('k', 1_000, edgeMs), 1);
      assert.equal(await rig.counter.add('k', 1_000, edgeMs + 999), 2);
      assert.equal(await rig.counter.add('k', 1_000, edgeMs + 1_000), 1);
    });

    it('is undefined once disposed, or still counts: it never rejects', async () => {
      await using rig = await open();
      await rig.counter.add('k', 60_000, startMs);
      await rig.counter[Symbol.asyncDispose]();
      await rig.counter[Symbol.asyncDispose]();
      const count = await rig.counter.add('k', 60_000, startMs);
      assert.ok(count === undefined || count >= 1);
    });
  });
}
