/** Tests of the cache on vault. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openVaultCache } from './cache.ts';

describe('the cache on vault', () => {
  it('misses while vault is away, and lets every call go on', async () => {
    await using cache = openVaultCache();
    await cache.set('a', '1', 1_000);
    assert.equal(await cache.get('a'), undefined);
    await cache.delete('a');
  });
});
