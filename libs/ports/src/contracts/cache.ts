/** The contract of every Cache: it may forget, it never lies and never fails a call. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { Cache } from '../cache.ts';

export interface CacheRig {
  readonly cache: Cache;
  /** Lets time pass, simulated or real. */
  passTime(ms: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs the whole suite; `open` gives each test an empty cache that can be reached. */
export function cacheContract(name: string, open: () => Promise<CacheRig>): void {
  describe(`${name} keeps the Cache contract`, () => {
    it('gives back what was set, and undefined for what was not', async () => {
      await using rig = await open();
      assert.equal(await rig.cache.get('k'), undefined);
      for (const value of ['one', 'zażółć 🐙\u0000\r\n', '', 'x'.repeat(300_000)]) {
        await rig.cache.set('k', value, 60_000);
        assert.equal(await rig.cache.get('k'), value);
      }
      assert.equal(await rig.cache.get('K'), undefined);
    });

    it('keeps keys of any shape apart', async () => {
      await using rig = await open();
      const keys = ['default/a b', 'default/a:b', 'tenant\n/é🐙', '__proto__', '*', 'x'.repeat(2_000)];
      for (const key of keys) await rig.cache.set(key, `value of ${key}`, 60_000);
      for (const key of keys) assert.equal(await rig.cache.get(key), `value of ${key}`);
    });

    it('forgets after the time to live, and the last set decides how long that is', async () => {
      await using rig = await open();
      await rig.cache.set('short', 'v', 100);
      await rig.cache.set('renewed', 'v', 100);
      await rig.cache.set('renewed', 'w', 60_000);
      await rig.passTime(250);
      assert.deepEqual([await rig.cache.get('short'), await rig.cache.get('renewed')], [undefined, 'w']);
    });

    it('keeps nothing for a time to live of zero, less, or none', async () => {
      await using rig = await open();
      for (const ttlMs of [0, -1, Number.NaN]) {
        await rig.cache.set('k', 'before', 60_000);
        await rig.cache.set('k', 'v', ttlMs);
        assert.equal(await rig.cache.get('k'), undefined, `${ttlMs}`);
      }
      await rig.cache.set('k', 'v', 59_999.5);
      assert.equal(await rig.cache.get('k'), 'v', 'a fraction of a millisecond is no reason to fail');
    });

    it('forgets what is deleted, also what is not there', async () => {
      await using rig = await open();
      await rig.cache.set('k', 'v', 60_000);
      await rig.cache.delete('k');
      await rig.cache.delete('k');
      assert.equal(await rig.cache.get('k'), undefined);
    });

    it('is a miss once disposed, and can be disposed twice', async () => {
      await using rig = await open();
      await rig.cache.set('k', 'v', 60_000);
      await rig.cache[Symbol.asyncDispose]();
      await rig.cache[Symbol.asyncDispose]();
      assert.equal(await rig.cache.get('k'), undefined);
    });
  });
}
