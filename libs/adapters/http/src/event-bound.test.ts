/** Counting the bytes of the event under way, wherever the pieces are cut. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { EventBound } from './event-bound.ts';

/** The longest run of bytes without a blank line, found the plain way. */
function longestOpen(text: string): number {
  let longest = 0;
  let open = 0;
  for (let i = 0; i < text.length; i += 1) {
    open += 1;
    const [a, b] = [text[i - 1], text[i]];
    const blank = (a === '\n' || a === '\r') && (b === '\n' || b === '\r') && !(a === '\r' && b === '\n');
    if (blank) open = 0;
    longest = Math.max(longest, open);
  }
  return longest;
}

const stream = fc.string({ unit: fc.constantFrom('a', ':', '\n', '\r'), maxLength: 60 });

describe('EventBound', () => {
  it('is exact to the byte where every byte is a piece', () => {
    fc.assert(
      fc.property(stream, fc.integer({ min: 1, max: 20 }), (text, bytesMax) => {
        const bound = new EventBound(bytesMax);
        const within = [...Buffer.from(text)].every((byte) => bound.take(Buffer.from([byte])));
        assert.equal(within, longestOpen(text) <= bytesMax);
      }),
      { seed: 20_260_728, numRuns: 500 },
    );
  });

  it('never refuses a stream whose events are all within the bound, wherever it is cut', () => {
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 60 }),
        (text, cuts) => {
          const bound = new EventBound(Math.max(1, longestOpen(text)));
          const bytes = Buffer.from(text);
          let at = 0;
          for (let i = 0; at < bytes.length; i += 1) {
            const size = cuts[i % cuts.length] ?? 1;
            assert.ok(bound.take(bytes.subarray(at, at + size)));
            at += size;
          }
        },
      ),
      { seed: 20_260_728, numRuns: 500 },
    );
  });

  it('starts anew behind a blank line that is cut between two pieces', () => {
    const bound = new EventBound(6);
    assert.ok(bound.take(Buffer.from('aaaa\n')));
    assert.ok(bound.take(Buffer.from('\nbbbb')));
    assert.ok(!bound.take(Buffer.from('bbb')));
  });
});
