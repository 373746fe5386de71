/** Misspelt settings are found, other people's variables are left alone. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { didYouMean, editDistance } from './did-you-mean.ts';

const known = ['CRUVERO_MCPGW_LISTEN_ADDR', 'CRUVERO_DATA_DIR', 'CRUVERO_LOG_LEVEL'];
const meant = (...names: string[]) =>
  didYouMean(Object.fromEntries(names.map((name) => [name, 'x'])), known).map((one) => one.meant);

describe('didYouMean', () => {
  test('finds a letter too many, too few, changed or swapped, and the wrong case', () => {
    assert.deepEqual(meant('CRUVERO_DATA_DIRR'), ['CRUVERO_DATA_DIR']);
    assert.deepEqual(meant('CRUVERO_MCPGW_LISTEN_ADR'), ['CRUVERO_MCPGW_LISTEN_ADDR']);
    assert.deepEqual(meant('CRUVERO_LOG-LEVEL'), ['CRUVERO_LOG_LEVEL']);
    assert.deepEqual(meant('CRUVERO_LOG_LEVLE'), ['CRUVERO_LOG_LEVEL']);
    assert.deepEqual(meant('CRUVERO_LGO_LEVLE'), ['CRUVERO_LOG_LEVEL']);
    assert.deepEqual(meant('cruvero_log_level'), ['CRUVERO_LOG_LEVEL']);
  });

  test('leaves alone what is right, what is far from all, and what has another prefix', () => {
    assert.deepEqual(meant(...known), []);
    assert.deepEqual(meant('CRUVERO_SOMETHING_ELSE', 'LOG_LEVEL', 'CRUVERO_', 'PATH'), []);
  });

  test('says it in a sentence without the value, and says it a bounded number of times', () => {
    const env = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`CRUVERO_LOG_LEVEL${i}`, 'hunter2']),
    );
    const found = didYouMean({ ...env, CRUVERO_LOG_LEVELS: 'hunter2' }, known);
    assert.ok(found.length <= 20);
    const last = found.at(-1);
    assert.match(
      last?.warning ?? '',
      /is not a setting and has no effect; did you mean CRUVERO_LOG_LEVEL\?$/,
    );
    assert.ok(!JSON.stringify(found).includes('hunter2'));
  });
});

test('the edit distance is a metric, cut at its limit', () => {
  const word = fc.string({ unit: fc.constantFrom('A', 'B', '_'), maxLength: 8 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      assert.equal(editDistance(a, b, 99), editDistance(b, a, 99));
      assert.equal(editDistance(a, b, 99) === 0, a === b);
      assert.ok(editDistance(a, b, 99) <= Math.max(a.length, b.length));
      assert.equal(editDistance(a, b, 2), Math.min(2, editDistance(a, b, 99)));
    }),
  );
});
