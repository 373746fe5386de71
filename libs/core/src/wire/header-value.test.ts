/** Header values survive the way there and back. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromBase64, toBase64 } from './base64.ts';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';

describe('header values', () => {
  it('come back as they were, for any well-formed text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        assert.equal(decodeHeaderValue(encodeHeaderValue(value)), value);
      }),
    );
  });

  it('are plain visible ASCII on the wire', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        assert.match(encodeHeaderValue(value), /^[\x21-\x7e][\x20-\x7e\t]*$|^$/);
      }),
    );
  });

  it('stay readable where they can', () => {
    assert.equal(encodeHeaderValue('mcp.files.read file'), 'mcp.files.read file');
  });

  const encoded: readonly [string, string][] = [
    ['ü', '=?base64?w7w=?='],
    [' lead', '=?base64?IGxlYWQ=?='],
    ['', '=?base64??='],
    ['a\r\nb', '=?base64?YQ0KYg==?='],
    ['=?base64?eA==?=', '=?base64?PT9iYXNlNjQ/ZUE9PT89?='],
    ['=?base64?literal?=', '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?='],
    ['=?base64?a?b?=', '=?base64?PT9iYXNlNjQ/YT9iPz0=?='],
    ['=?base64?=', '=?base64?PT9iYXNlNjQ/PQ==?='],
  ];
  for (const [value, header] of encoded) {
    it(`are encoded where they cannot: ${JSON.stringify(value)}`, () => {
      assert.equal(encodeHeaderValue(value), header);
      assert.equal(decodeHeaderValue(header), value);
    });
  }

  for (const header of [
    '=?base64?w7w?=',
    '=?base64?a?b?=',
    '=?base64?=',
    '=?base64?!!!!?=',
    '=?base64?/w==?=',
    'ü',
    'a\u0000b',
    '=?base64?w7x=?=',
  ]) {
    it(`are refused where a sender must not write so: ${JSON.stringify(header)}`, () => {
      assert.equal(decodeHeaderValue(header), undefined);
    });
  }

  it('lose the white space around them, as HTTP says', () => {
    assert.equal(decodeHeaderValue('  x\t'), 'x');
  });
});

describe('base64', () => {
  it('is what Node writes, for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.equal(toBase64(text), Buffer.from(text, 'utf8').toString('base64'));
        assert.equal(fromBase64(toBase64(text)), text.toWellFormed());
      }),
    );
  });
});
