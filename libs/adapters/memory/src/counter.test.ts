/** The memory counter keeps the Counter contract and its bound. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { counterContract } from '@cruvero/ports/contracts/counter';

import { memoryCounter } from './counter.ts';

counterContract('memory counter', async () => {
  const counter = memoryCounter();
  return {
    counter,
    second: async () => counter,
    [Symbol.asyncDispose]: () => counter[Symbol.asyncDispose](),
  };
});

describe('memory counter', () => {
  it('forgets the key touched longest ago when there are too many', async () => {
    const counter = memoryCounter({ keysMax: 2 });
    for (const key of ['a', 'b', 'a', 'c']) await counter.add(key, 1_000, 0);
    assert.equal(await counter.add('a', 1_000, 0), 3);
    assert.equal(await counter.add('b', 1_000, 0), 1);
  });
});
