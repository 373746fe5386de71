/** Equal values have one spelling, different values have two. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { paramsFrom } from '../era/message.ts';
import type { Json } from '../model/json.ts';
import { callDigestText, canonicalJson, canonicalText } from './canonical.ts';
import { depthMax } from './json-spans.ts';

/** The same value with members in another order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, turned(member)]),
  );
}

const parsed = (text: string): Json => JSON.parse(text) as Json;

describe('canonical JSON', () => {
  it('is equal for members in any order, and reads back as the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const plain = parsed(JSON.stringify(value));
        assert.equal(canonicalJson(plain), canonicalJson(turned(plain) as Json));
        assert.deepEqual(parsed(canonicalJson(plain)), plain);
      }),
    );
  });

  it('leaves out what is undefined, as JSON does', () => {
    assert.equal(canonicalJson({ b: undefined, a: [null, true, -0] }), '{"a":[null,true,0]}');
  });
});

describe('canonical text', () => {
  it('is equal for any order, any space and any escapes, and reads back as the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(4), (value, indent) => {
        const text = JSON.stringify(turned(parsed(JSON.stringify(value))), null, indent);
        assert.equal(canonicalText(text), canonicalText(JSON.stringify(value)));
        assert.deepEqual(parsed(canonicalText(text)), parsed(JSON.stringify(value)));
      }),
    );
    assert.equal(canonicalText('{"\\u0062":"\\u0041\\/","a":[ ]}'), '{"a":[],"b":"A/"}');
  });

  const numbers: readonly [string, string][] = [
    ['1.0', '1'],
    ['10e-1', '1'],
    ['1E0', '1'],
    ['-0.0', '0'],
    ['0e9', '0'],
    ['100', '1e2'],
    ['0.00120', '12e-4'],
    ['-2.50e+3', '-25e2'],
    ['9007199254740993', '9007199254740993'],
    ['1e99999999999999999999', '1e99999999999999999999'],
  ];
  for (const [spelled, canonical] of numbers) {
    it(`writes ${spelled} as ${canonical}`, () => assert.equal(canonicalText(spelled), canonical));
  }

  it('keeps two integers apart that a double cannot', () => {
    assert.notEqual(canonicalText('[9007199254740993]'), canonicalText('[9007199254740992]'));
  });

  it('keeps a name that stands twice as it stands: its order matters', () => {
    assert.notEqual(canonicalText('{"a":1,"a":2}'), canonicalText('{"a":2,"a":1}'));
  });

  for (const text of [
    '',
    '{',
    '{"a"}',
    '{"a":}',
    '{1:2}',
    '[1 2]',
    '[1',
    'tru',
    '"\\x"',
    '{"a":1;}',
    '1 2',
    '{"a":1 "b":2}',
  ]) {
    it(`gives back what is no JSON: ${JSON.stringify(text)}`, () => assert.equal(canonicalText(text), text));
  }

  it('gives back what is nested deeper than a message may be', () => {
    const deep = `${' ['.repeat(depthMax + 2)}${']'.repeat(depthMax + 2)}`;
    assert.equal(canonicalText(deep), deep);
  });
});

describe('the text of a call', () => {
  const digest = (text: string, method = 'tools/call'): string => callDigestText(method, paramsFrom(text));

  it('is equal for the next round of the same call', () => {
    assert.equal(
      digest('{"name":"a","arguments":{"x":1.0,"y":[1,2]},"_meta":{"progressToken":1}}'),
      digest('{ "requestState":"s","inputResponses":{},"arguments":{"y":[1,2],"x":1},"name":"\\u0061" }'),
    );
  });

  it('differs for another method, name or argument', () => {
    const one = digest('{"name":"a","arguments":{"x":1}}');
    assert.notEqual(one, digest('{"name":"a","arguments":{"x":1}}', 'prompts/get'));
    assert.notEqual(one, digest('{"name":"b","arguments":{"x":1}}'));
    assert.notEqual(one, digest('{"name":"a","arguments":{"x":"1"}}'));
    assert.notEqual(one, digest('{"name":"a","arguments":{"x":1},"more":null}'));
  });

  it('keeps inner members that are called like those of the dialogue', () => {
    assert.notEqual(
      digest('{"arguments":{"_meta":1,"requestState":2}}'),
      digest('{"arguments":{"_meta":1,"requestState":3}}'),
    );
  });
});
