/** Strict UTF-8 in pieces, against the platform's own decoder. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isUtf8Whole, textOf, Utf8Pieces } from './utf8.ts';

describe('Utf8Pieces', () => {
  it('gives the same text wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 7 }), (text, size) => {
        const bytes = Buffer.from(text);
        const pieces = new Utf8Pieces();
        let out = '';
        for (let at = 0; at < bytes.length; at += size)
          out += pieces.feed(bytes.subarray(at, at + size)) ?? assert.fail('refused');
        assert.ok(pieces.whole);
        assert.equal(out, bytes.toString());
      }),
      { seed: 20_260_728, numRuns: 500 },
    );
  });

  it('refuses exactly what a strict decoder refuses', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.integer({ min: 1, max: 4 }), (raw, size) => {
        const pieces = new Utf8Pieces();
        let valid = true;
        for (let at = 0; at < raw.length; at += size)
          valid &&= pieces.feed(Buffer.from(raw.subarray(at, at + size))) !== undefined;
        valid &&= pieces.whole;
        assert.equal(valid, accepts(raw));
      }),
      { seed: 20_260_728, numRuns: 2_000 },
    );
  });

  it('refuses the same in a whole body, wherever the pieces are cut', () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 8 }).map((text) => Uint8Array.from(Buffer.from(text))),
    );
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 5 }), (raw, size) => {
        const pieces: Buffer[] = [];
        for (let at = 0; at < raw.length; at += size) pieces.push(Buffer.from(raw.subarray(at, at + size)));
        assert.equal(isUtf8Whole(pieces), accepts(raw));
        assert.equal(textOf(pieces), Buffer.from(raw).toString());
      }),
      { seed: 20_260_728, numRuns: 5_000 },
    );
  });
});

function accepts(raw: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(raw);
    return true;
  } catch {
    return false;
  }
}
