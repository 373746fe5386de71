/** The memory cache keeps the Cache contract and its bounds. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { cacheContract } from '@cruvero/ports/contracts/cache';
import { SimClock } from '@cruvero/testkit';
import fc from 'fast-check';

import { memoryCache } from './cache.ts';

cacheContract('memory cache', async () => {
  const clock = new SimClock();
  const cache = memoryCache({ clock });
  return {
    cache,
    passTime: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
});

describe('memory cache', () => {
  it('lets go of what was used longest ago when there are too many entries', async () => {
    const cache = memoryCache({ clock: new SimClock(), entriesMax: 2 });
    await cache.set('a', '1', 1_000);
    await cache.set('b', '2', 1_000);
    await cache.get('a');
    await cache.set('c', '3', 1_000);
    assert.deepEqual(
      [await cache.get('a'), await cache.get('b'), await cache.get('c')],
      ['1', undefined, '3'],
    );
  });

  it('never holds more than its bytes, whatever is set, and holds what fits', async () => {
    const sets = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.nat(4_000)), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(sets, async (entries) => {
        const cache = memoryCache({ clock: new SimClock(), bytesMax: 10_000 });
        for (const [key, length] of entries) {
          await cache.set(key, 'x'.repeat(length), 1_000);
          assert.equal((await cache.get(key))?.length, length <= 4_935 ? length : undefined);
        }
        let heldBytes = 0;
        for (const key of ['a', 'b', 'c', 'd']) {
          const value = await cache.get(key);
          if (value !== undefined) heldBytes += 2 * (value.length + 1) + 128;
        }
        assert.ok(heldBytes <= 10_000, `${heldBytes}`);
      }),
      { verbose: true, numRuns: 60 },
    );
  });

  it('does not take a value that is larger than everything, and forgets the one before it', async () => {
    const cache = memoryCache({ clock: new SimClock(), bytesMax: 1_000 });
    await cache.set('k', 'old', 1_000);
    await cache.set('k', 'x'.repeat(1_000), 1_000);
    assert.equal(await cache.get('k'), undefined);
  });
});
