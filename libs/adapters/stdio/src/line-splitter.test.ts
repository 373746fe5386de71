/** Lines come out whole, however their bytes are cut. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.ts';

function split(bytes: Buffer, cuts: readonly number[], lineBytesMax = 1 << 20) {
  const lines: string[] = [];
  let overflows = 0;
  const splitter = new LineSplitter(
    lineBytesMax,
    (line) => lines.push(line),
    () => (overflows += 1),
  );
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...places, bytes.length]) {
    splitter.feed(bytes.subarray(from, to));
    from = to;
  }
  splitter.end();
  return { lines, overflows };
}

describe('LineSplitter', () => {
  it('gives the same lines wherever the bytes are cut', () => {
    const line = fc.string({ unit: 'binary' }).map((text) => text.replace(/[\r\n]/g, '').toWellFormed());
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        assert.deepEqual(split(bytes, cuts), { lines, overflows: 0 });
      }),
    );
  });

  it('never holds more than a line may have, and says so once', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 200 })), fc.integer({ min: 1, max: 64 }), (cuts, bytesMax) => {
        const { lines, overflows } = split(
          Buffer.from(`ok\n${'x'.repeat(65)}\nafter\n${'y'.repeat(99)}`),
          cuts,
          bytesMax,
        );
        assert.equal(overflows, 1);
        assert.deepEqual(lines, bytesMax >= 2 ? ['ok'] : []);
      }),
    );
  });

  it('drops a last line without an end', () => {
    assert.deepEqual(split(Buffer.from('a\r\n\nb'), []).lines, ['a', '']);
  });
});
