/** Arguments in headers: which tools may ask for them, what is sent, and what is refused. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { paramsFrom } from './message.ts';
import {
  emitParamHeaders,
  paramHeaderMismatch,
  readParamHeaders,
  type ParamHeader,
} from './param-headers.ts';

const tool = (inputSchema: unknown): string => JSON.stringify({ name: 't', inputSchema });
const object = (properties: unknown): string => tool({ type: 'object', properties });

function specsOf(toolText: string): readonly ParamHeader[] {
  const specs = readParamHeaders(toolText);
  assert.ok(!('problem' in specs), JSON.stringify(specs));
  return specs;
}

describe('annotations of a tool', () => {
  it('are read at any depth of properties', () => {
    assert.deepEqual(
      specsOf(
        object({
          region: { type: 'string', 'x-mcp-header': 'Region' },
          limits: { type: 'object', properties: { most: { type: 'integer', 'x-mcp-header': 'Most' } } },
          dry: { type: 'boolean', 'x-mcp-header': 'dry_run' },
          other: { type: 'number' },
        }),
      ),
      [
        { header: 'mcp-param-region', path: ['region'], type: 'string' },
        { header: 'mcp-param-most', path: ['limits', 'most'], type: 'integer' },
        { header: 'mcp-param-dry_run', path: ['dry'], type: 'boolean' },
      ],
    );
  });

  it('are seen also where their name is spelled with escapes', () => {
    const text = object({ a: { type: 'string', 'x-mcp-header': 'A' } }).replace('x-mcp', 'x\\u002dmcp');
    assert.equal(specsOf(text).length, 1);
  });

  for (const [name, text] of [
    ['no annotation', object({ a: { type: 'string' } })],
    ['a property that is called so', object({ 'x-mcp-header': { type: 'string' } })],
    [
      'a default, an example or a constant that looks like one',
      object({
        a: {
          type: 'object',
          default: { 'x-mcp-header': 'A' },
          examples: [{ 'x-mcp-header': 1 }],
          const: { 'x-mcp-header': 2 },
        },
      }),
    ],
    ['one in the output schema', JSON.stringify({ name: 't', outputSchema: { 'x-mcp-header': '' } })],
    ['no JSON', '{"x-mcp-header"'],
  ] as const) {
    it(`are none in: ${name}`, () => assert.deepEqual(readParamHeaders(text), []));
  }

  const named = (name: unknown, type: unknown = 'string') =>
    object({ value: { type, 'x-mcp-header': name } });
  const inside = (schema: unknown) => object({ value: schema });
  const leaf = { type: 'string', 'x-mcp-header': 'A' };
  const offending: readonly [string, string, RegExp][] = [
    ['an empty name', named(''), /token/],
    ['a name that is no string', named(7), /token/],
    ['a space', named('My Region'), /token/],
    ['a colon', named('Region:Primary'), /token/],
    ['a letter beyond ASCII', named('Région'), /token/],
    ['a control character', named('Region\t1'), /token/],
    ['a line break', named('A\r\nB'), /token/],
    ['a line break at the end', named('A\n'), /token/],
    ['no type', inside({ 'x-mcp-header': 'A' }), /type string, integer or boolean/],
    ...['object', 'array', 'null', 'number', ['string', 'null']].map((type): [string, string, RegExp] => [
      `type ${JSON.stringify(type)}`,
      named('A', type),
      /type string, integer or boolean/,
    ]),
    ['the same name twice', object({ a: leaf, b: leaf }), /twice/],
    ['the same name in other case', object({ a: leaf, b: { ...leaf, 'x-mcp-header': 'a' } }), /twice/],
    ['the root', tool({ type: 'object', 'x-mcp-header': 'A' }), /the root/],
    ['items', inside({ items: leaf }), /cannot be reached/],
    ['items as an array', inside({ items: [{}, leaf] }), /cannot be reached/],
    ['properties below items', inside({ items: { properties: { a: leaf } } }), /cannot be reached/],
    [
      'a combination inside a combination',
      inside({ allOf: [{ not: { anyOf: [leaf] } }] }),
      /cannot be reached/,
    ],
    ...[
      'additionalProperties',
      'unevaluatedProperties',
      'propertyNames',
      'contains',
      'not',
      'if',
      'then',
      'else',
    ].map((keyword): [string, string, RegExp] => [keyword, inside({ [keyword]: leaf }), /cannot be reached/]),
    ...['oneOf', 'anyOf', 'allOf', 'prefixItems'].map((keyword): [string, string, RegExp] => [
      keyword,
      inside({ [keyword]: [leaf] }),
      /cannot be reached/,
    ]),
    ...['patternProperties', 'dependentSchemas', '$defs', 'definitions'].map(
      (keyword): [string, string, RegExp] => [keyword, tool({ [keyword]: { x: leaf } }), /cannot be reached/],
    ),
  ];
  for (const [name, text, why] of offending) {
    it(`are a problem with: ${name}`, () => {
      const read = readParamHeaders(text);
      assert.ok('problem' in read);
      assert.match(read.problem, why);
    });
  }

  it('are a problem where they are too many', () => {
    const entries = Array.from({ length: 65 }, (_, n) => [
      `p${n}`,
      { type: 'string', 'x-mcp-header': `H${n}` },
    ]);
    const read = readParamHeaders(object(Object.fromEntries(entries)));
    assert.ok('problem' in read && /more than 64/.test(read.problem));
    assert.equal(specsOf(object(Object.fromEntries(entries.slice(1)))).length, 64);
  });

  it('are a problem where the schema is nested without measure', () => {
    const deep = `${'{"properties":{"a":'.repeat(5_000)}{"type":"string","x-mcp-header":"A"}${'}}'.repeat(5_000)}`;
    const read = readParamHeaders(`{"inputSchema":${deep}}`);
    assert.ok('problem' in read && /nested/.test(read.problem));
  });
});

const specs: readonly ParamHeader[] = [
  { header: 'mcp-param-region', path: ['region'], type: 'string' },
  { header: 'mcp-param-most', path: ['limits', 'most'], type: 'integer' },
  { header: 'mcp-param-dry', path: ['dry'], type: 'boolean' },
];
const call = (args: string) => paramsFrom(`{"name":"t","arguments":${args}}`);

describe('headers of a call', () => {
  const emitted: readonly [string, string, Record<string, string>][] = [
    [
      'all of them',
      '{"region":"eu 1","limits":{"most":42},"dry":true}',
      { 'mcp-param-region': 'eu 1', 'mcp-param-most': '42', 'mcp-param-dry': 'true' },
    ],
    ['null and absent ones', '{"region":null,"dry":false}', { 'mcp-param-dry': 'false' }],
    ['text beyond ASCII', '{"region":"ü"}', { 'mcp-param-region': '=?base64?w7w=?=' }],
    ['an empty text', '{"region":""}', { 'mcp-param-region': '=?base64??=' }],
    ['a whole number as a fraction', '{"limits":{"most":42.0}}', { 'mcp-param-most': '42' }],
    ['a negative zero', '{"limits":{"most":-0}}', { 'mcp-param-most': '0' }],
    [
      'a number beyond 2^53',
      '{"limits":{"most":9007199254740993}}',
      { 'mcp-param-most': '9007199254740993' },
    ],
    ['a number beyond doubles', '{"limits":{"most":1e400}}', {}],
    ['a fraction where a whole number should be', '{"limits":{"most":1.5}}', { 'mcp-param-most': '1.5' }],
    ['an object where a value should be', '{"region":{"a":1},"dry":[]}', {}],
    ['a value where an object should be', '{"limits":7}', {}],
    ['arguments that are no object', '[1]', {}],
    ['an argument that stands twice', '{"region":"a","region":"b"}', {}],
  ];
  for (const [name, args, headers] of emitted) {
    it(`say: ${name}`, () => assert.deepEqual(emitParamHeaders(call(args), specs), headers));
  }

  it('are none where the call has no arguments', () => {
    assert.deepEqual(emitParamHeaders(paramsFrom('{"name":"t"}'), specs), {});
  });

  it('are taken by the check that stands at the other end, for any arguments', () => {
    const argument = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
    );
    fc.assert(
      fc.property(
        fc.record({ region: argument, limits: fc.record({ most: argument }), dry: argument }),
        (args) => {
          const params = call(JSON.stringify(args));
          assert.equal(paramHeaderMismatch(params, specs, emitParamHeaders(params, specs)), undefined);
        },
      ),
    );
  });
});

describe('headers beside a body', () => {
  const region = (value: string): Record<string, string> => ({ 'mcp-param-region': value });
  const hello = '{"region":"Hello"}';
  const agree: readonly [string, string, Record<string, string | undefined>][] = [
    ['plain', hello, region('Hello')],
    ['in base64', hello, region('=?base64?SGVsbG8=?=')],
    ['with a name in other case', hello, { 'Mcp-Param-Region': 'Hello' }],
    ['with space around', hello, region(' Hello\t')],
    ['where a mark has no end', '{"region":"=?base64?SGVsbG8="}', region('=?base64?SGVsbG8=')],
    ['where base64 stands bare', '{"region":"SGVsbG8="}', region('SGVsbG8=')],
    ['where numbers are spelled otherwise', '{"limits":{"most":42}}', { 'mcp-param-most': '42.0' }],
    ['where there is nothing to say', '{"region":null}', {}],
    ['where an absent header is undefined', '{}', { 'mcp-param-region': undefined }],
    ['beside headers of other arguments', hello, { ...region('Hello'), 'mcp-param-other': 'x' }],
  ];
  for (const [name, args, received] of agree) {
    it(`agree ${name}`, () => assert.equal(paramHeaderMismatch(call(args), specs, received), undefined));
  }

  const differ: readonly [string, string, Record<string, string>, RegExp][] = [
    ['a header is missing', hello, {}, /mcp-param-region is missing; repeat params\.arguments\.region/],
    ['it says something else', hello, region('hello'), /is "hello", params\.arguments\.region says "Hello"/],
    ['its padding is wrong', hello, region('=?base64?SGVsbG8?='), /base64/],
    ['its letters are wrong', hello, region('=?base64?SGVs!!!bG8=?='), /base64/],
    ['its characters are not plain', '{"region":"ü"}', region('ü'), /characters/],
    ['the argument is absent', '{}', region('Hello'), /has no value/],
    ['the argument is null', '{"region":null}', region('Hello'), /has no value/],
    [
      'the header came twice',
      hello,
      { 'mcp-param-region': 'Hello', 'Mcp-Param-Region': 'evil' },
      /says "Hello"/,
    ],
    ['a number differs', '{"limits":{"most":42}}', { 'mcp-param-most': '43' }, /mcp-param-most/],
    [
      'a fraction is close to the number',
      '{"limits":{"most":42}}',
      { 'mcp-param-most': '42.00000000000000000001' },
      /mcp-param-most/,
    ],
    ['a number is spelled as code', '{"limits":{"most":16}}', { 'mcp-param-most': '0x10' }, /mcp-param-most/],
    [
      'two great numbers are one double',
      '{"limits":{"most":9007199254740993}}',
      { 'mcp-param-most': '9007199254740992' },
      /mcp-param-most/,
    ],
    ['text looks like the number', '{"region":"42"}', region('42.0'), /mcp-param-region/],
    ['a truth is spelled in capitals', '{"dry":true}', { 'mcp-param-dry': 'True' }, /mcp-param-dry/],
    ['an argument stands twice', '{"region":"Hello","region":"x"}', region('Hello'), /ambiguous/],
  ];
  for (const [name, args, received, why] of differ) {
    it(`differ where ${name}`, () => {
      assert.match(paramHeaderMismatch(call(args), specs, received) ?? '', why);
    });
  }

  it('are not looked at for tools without annotations', () => {
    assert.equal(paramHeaderMismatch(call('{}'), [], { 'mcp-param-x': '=?base64?!?=' }), undefined);
  });
});
