/** The result cut out of bytes is the one that a reader of text finds, or none is cut at all. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readUpstreamMessage } from '../era/reply.ts';
import { cutResultBytes, lengthOf, slicePieces } from './result-bytes.ts';

const seed = 20_260_728;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** In pieces of that many bytes. */
function cut(text: string, pieceBytes = 1_000) {
  const bytes = encoder.encode(text);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) pieces.push(bytes.subarray(at, at + pieceBytes));
  const found = cutResultBytes(pieces, '7');
  if (!found) return undefined;
  const kept = slicePieces(pieces, found.start, found.end);
  assert.equal(lengthOf(kept), found.end - found.start);
  const whole = Uint8Array.from(kept.flatMap((piece) => [...piece]));
  return { ...found, text: decoder.decode(whole) };
}

describe('a result in bytes', () => {
  it('is cut from both spellings that servers use', () => {
    for (const text of [
      '{"jsonrpc":"2.0","id":7,"result":{"a":{"b":[1,"}"]}}}',
      '{"result":{"a":{"b":[1,"}"]}},"jsonrpc":"2.0","id":7}',
    ])
      assert.equal(cut(text)?.text, '{"a":{"b":[1,"}"]}}');
  });

  it('tells the names of its own members and its type', () => {
    const found = cut(
      '{"jsonrpc":"2.0","id":7,"result":{ "resultType" : "complete" , "_meta":{"x":1},"é":"\\n","content":[{"uri":"a,b"}]}}',
    );
    assert.equal(found, undefined, 'a name that is not plain is for the reader of text');
    const plain = cut(
      '{"jsonrpc":"2.0","id":7,"result":{ "resultType" : "complete" , "_meta":{"x":1},"content":[{"uri":"a,b\\n"}]}}',
    );
    assert.deepEqual([...(plain?.names ?? [])], ['resultType', '_meta', 'content']);
    assert.equal(plain?.type, 'complete');
  });

  const refused: readonly [string, string][] = [
    ['another id', '{"jsonrpc":"2.0","id":8,"result":{}}'],
    ['a second id behind the result', '{"jsonrpc":"2.0","id":7,"result":{},"id":8}'],
    ['a second result', '{"jsonrpc":"2.0","id":7,"result":{},"result":{}}'],
    ['an object behind the result', '{"jsonrpc":"2.0","id":7,"result":{},"x":{}}'],
    ['something before the known tail', '{"result":{},"id":8,"jsonrpc":"2.0","id":7}'],
    ['a result that is no object', '{"jsonrpc":"2.0","id":7,"result":[]}'],
    ['an error', '{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":""}}'],
    ['a name that stands twice', '{"jsonrpc":"2.0","id":7,"result":{"a":1,"a":2}}'],
    ['a name with an escape', '{"jsonrpc":"2.0","id":7,"result":{"\\u0061":1}}'],
    ['a string without an end', '{"jsonrpc":"2.0","id":7,"result":{"a":"}}'],
    ['a bracket too many', '{"jsonrpc":"2.0","id":7,"result":{"a":1}}}'],
    ['a bracket too few', '{"jsonrpc":"2.0","id":7,"result":{"a":{}}'],
    ['nothing', ''],
  ];
  for (const [name, text] of refused) it(`is not cut from ${name}`, () => assert.equal(cut(text), undefined));

  it('has no type where it has none, and none that is known where it is no plain string', () => {
    assert.equal(cut('{"jsonrpc":"2.0","id":7,"result":{"content":[]}}')?.type, undefined);
    assert.equal(cut('{"jsonrpc":"2.0","id":7,"result":{"resultType":7}}')?.type, '');
    assert.equal(cut('{"jsonrpc":"2.0","id":7,"result":{"resultType":"a\\nb"}}')?.type, '');
  });

  it('is the same as a reader of text finds, for any JSON in any spelling', () => {
    const spelled = fc.tuple(
      fc.dictionary(fc.string({ maxLength: 6 }), fc.jsonValue(), { maxKeys: 5 }),
      fc.boolean(),
      fc.constantFrom(undefined, 1),
      fc.integer({ min: 1, max: 40 }),
    );
    fc.assert(
      fc.property(spelled, ([result, first, indent, pieceBytes]) => {
        const inner = JSON.stringify(result, undefined, indent);
        const text = first
          ? `{"result":${inner},"jsonrpc":"2.0","id":7}`
          : `{"jsonrpc":"2.0","id":7,"result":${inner}}`;
        const found = cut(text, pieceBytes);
        assert.deepEqual(found, cut(text), 'wherever the pieces are cut');
        if (found === undefined) return;
        assert.equal(found.text, inner);
        assert.deepEqual([...found.names].sort(), Object.keys(result).sort());
      }),
      { seed, numRuns: 3_000 },
    );
  });

  it('is cut from no text that a reader of text takes for something else', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      '"',
      '\\',
      ',',
      ':',
      'a',
      '"id":7',
      '"result":',
      '1',
      ' ',
      'é',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 14 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 9 }),
        (pieces, first, pieceBytes) => {
          const middle = pieces.join('');
          const text = first
            ? `{"result":${middle},"jsonrpc":"2.0","id":7}`
            : `{"jsonrpc":"2.0","id":7,"result":${middle}}`;
          const found = cut(text, pieceBytes);
          if (found === undefined) return;
          const read = readUpstreamMessage(text, '7');
          assert.equal(read.kind, 'result');
          if (read.kind === 'result') assert.equal(found.text, read.text);
        },
      ),
      { seed, numRuns: 20_000 },
    );
  });
});
