/** Tests of the cache on sandbox. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSandboxCache } from './cache.ts';

describe('the cache on sandbox', () => {
  it('misses while sandbox is away, and lets every call go on', async () => {
    await using cache = openSandboxCache();
    await cache.set('a', '1', 1_000);
    assert.equal(await cache.get('a'), undefined);
    await cache.delete('a');
  });
});
