/** What an upstream sends is cut out whole, or not at all. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readUpstreamMessage } from './reply.ts';

const head = '{"jsonrpc":"2.0","id":5,"result":';

describe('a reply of an upstream', () => {
  it('is cut out as its server wrote it, for any result and either order', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        fc.nat(2),
        (value, indent) => {
          const result = JSON.stringify(value, null, indent);
          for (const text of [`${head}${result}}`, `{"result":${result},"jsonrpc":"2.0","id":5}`]) {
            assert.deepEqual(readUpstreamMessage(text, '5'), { kind: 'result', idText: '5', text: result });
          }
        },
      ),
    );
  });

  for (const inner of [
    '\\',
    '"',
    '\\"',
    '}',
    '{"',
    '\\\\',
    `${'\\'.repeat(101)}"`,
    `${'x'.repeat(200)}"}`,
    `${'"'.repeat(120)}`,
  ]) {
    it(`is cut out with text that looks like its end: ${JSON.stringify(inner.slice(0, 20))}`, () => {
      const result = JSON.stringify({ a: inner, b: [inner, { [inner]: inner }] });
      assert.deepEqual(readUpstreamMessage(`${head}${result}}`, '5'), {
        kind: 'result',
        idText: '5',
        text: result,
      });
    });
  }

  const smuggled: readonly [string, string][] = [
    ['a second result', `${head}{},"result":{}}`],
    ['a second result behind a space', `${head}{} ,"result":{}}`],
    ['a second id before the end', '{"result":{},"id":6,"jsonrpc":"2.0","id":5}'],
    ['a method', `${head}{},"method":"x"}`],
    ['an error', '{"result":{},"error":{},"jsonrpc":"2.0","id":5}'],
    ['a name in other case', `${head}{},"Result":{"a":1}}`],
    ['a long s', `${head}{},"re\u017fult":{}}`],
    ['a name in escapes', `${head}{},"\\u0052esult":{}}`],
    ['a method twice, once in capitals', '{"jsonrpc":"2.0","method":"n","METHOD":"m"}'],
    ['a result that has no end', `${head}{"a":"}`],
    ['a result that is a string without an end', `${head}"}`],
  ];
  for (const [name, text] of smuggled) {
    it(`is garbage with ${name}`, () => assert.equal(readUpstreamMessage(text, '5').kind, 'garbage'));
  }

  const walked: readonly [string, string, string][] = [
    ['another member behind', `${head}{"a":1},"x":{"b":{}}}`, '{"a":1}'],
    ['another member between', '{"result":{"a":1},"x":1,"jsonrpc":"2.0","id":5}', '{"a":1}'],
    ['space before it', `${head} {"a":1}}`, '{"a":1}'],
    ['space behind it', `${head}{"a":1} }`, '{"a":1}'],
    ['a list', `${head}[{}]}`, '[{}]'],
    ['a number', `${head}7}`, '7'],
  ];
  for (const [name, text, result] of walked) {
    it(`is found beside or as ${name}`, () => {
      assert.deepEqual(readUpstreamMessage(text, '5'), { kind: 'result', idText: '5', text: result });
    });
  }
});
