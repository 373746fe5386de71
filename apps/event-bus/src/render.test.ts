/** Tables line up, and nothing that passes by can drive the terminal. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import fc from 'fast-check';

import { fieldsText, printable, roundBytes, roundDuration, tableText } from './render.ts';

describe('tables', () => {
  it('put texts to the left and numbers to the right, with a dash for nothing', () => {
    const columns = [
      { title: 'NAME', cell: (row: { name: string; n: number }) => row.name },
      { title: 'COUNT', cell: (row: { n: number }) => row.n },
      { title: 'LAST', cell: () => undefined },
    ];
    const text = tableText(columns, [
      { name: 'a', n: 1 },
      { name: 'longer', n: 1_000 },
    ]);
    assert.equal(text, 'NAME    COUNT  LAST\na           1  -\nlonger   1000  -\n');
    assert.equal(
      fieldsText([
        ['a', true],
        ['long', ['x', 'y']],
      ]),
      'a     yes\nlong  x y\n',
    );
  });

  it('round sizes and durations for people', () => {
    const sizes = [-1, 0, 1_023, 1_024, 1_536, 1 << 20, 300 << 20, 2 ** 41].map(roundBytes);
    assert.deepEqual(sizes, [
      'unbounded',
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '1.0 MiB',
      '300 MiB',
      '2.0 TiB',
    ]);
    const durations = [0, 5, 1_500, 60_000, 3_600_000, 259_200_000].map(roundDuration);
    assert.deepEqual(durations, ['unbounded', '5ms', '1500ms', '1m', '1h', '3d']);
  });

  it('show no control character raw, whatever comes', () => {
    assert.equal(printable('a\u001b[2Jb\u009b\r\n'), 'a\\u001b[2Jb\\u009b\\u000d\\u000a');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(printable(text), /[\p{Cc}\u2028\u2029\u202a-\u202e]/u);
      }),
      { verbose: true },
    );
  });
});
