/** Tools and structured results fit the era of who reads them, and change in nothing else. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adaptReply } from './results.ts';
import { legacyItem, mapItems, modernItem, wrapStructured } from './tool-items.ts';

const wrapped = (schema: unknown): unknown => {
  const text = legacyItem('tools', `{"name":"t","outputSchema":${JSON.stringify(schema)}}`);
  return (JSON.parse(text) as { readonly outputSchema: unknown }).outputSchema;
};

describe('a tool for legacy callers', () => {
  const objects: readonly [string, unknown, unknown][] = [
    ['a list', { type: 'array', items: { type: 'string' } }, { type: 'array', items: { type: 'string' } }],
    [
      'pointers into its own document',
      {
        type: 'array',
        items: { $ref: '#/$defs/a' },
        $defs: { a: { anyOf: [{ $ref: '#' }, { $dynamicRef: '#/items' }] } },
      },
      {
        type: 'array',
        items: { $ref: '#/properties/result/$defs/a' },
        $defs: {
          a: { anyOf: [{ $ref: '#/properties/result' }, { $dynamicRef: '#/properties/result/items' }] },
        },
      },
    ],
    [
      'pointers elsewhere',
      { type: 'array', items: { $ref: 'https://a/#/b' }, contains: { $ref: '#anchor' } },
      { type: 'array', items: { $ref: 'https://a/#/b' }, contains: { $ref: '#anchor' } },
    ],
    [
      'data that looks like pointers',
      {
        type: 'string',
        const: { $ref: '#/a' },
        enum: [{ $ref: '#' }],
        default: { $ref: '#' },
        examples: [{ $ref: '#' }],
      },
      {
        type: 'string',
        const: { $ref: '#/a' },
        enum: [{ $ref: '#' }],
        default: { $ref: '#' },
        examples: [{ $ref: '#' }],
      },
    ],
    [
      'properties named like keywords',
      { type: 'array', $defs: { const: { $ref: '#' }, $ref: { type: 'null' } } },
      { type: 'array', $defs: { const: { $ref: '#/properties/result' }, $ref: { type: 'null' } } },
    ],
    [
      'a document of its own',
      { $id: 'https://a/', type: 'array', items: { $ref: '#/$defs/a' } },
      { $id: 'https://a/', type: 'array', items: { $ref: '#/$defs/a' } },
    ],
    [
      'a document inside',
      { type: 'array', items: { $id: 'https://a/', $ref: '#/b' } },
      { type: 'array', items: { $id: 'https://a/', $ref: '#/b' } },
    ],
    [
      'an anchor in the old spelling',
      { $id: '#x', type: 'array', items: { $ref: '#' } },
      { $id: '#x', type: 'array', items: { $ref: '#/properties/result' } },
    ],
    ['several types without object', { type: ['string', 'null'] }, { type: ['string', 'null'] }],
  ];
  for (const [name, schema, result] of objects) {
    it(`has its output schema wrapped: ${name}`, () => {
      assert.deepEqual(wrapped(schema), { type: 'object', properties: { result }, required: ['result'] });
    });
  }

  it('keeps objects as they are where its values may be some', () => {
    for (const schema of [
      { $ref: '#/$defs/a', $defs: { a: { type: 'object' } } },
      { type: ['object', 'null'] },
      { anyOf: [] },
      {},
    ]) {
      const moved = '$ref' in schema ? { ...schema, $ref: '#/anyOf/0/$defs/a' } : schema;
      assert.deepEqual(wrapped(schema), {
        type: 'object',
        anyOf: [moved, { properties: { result: { $ref: '#/anyOf/0' } }, required: ['result'] }],
      });
    }
  });

  it('says its dialect at the root', () => {
    const dialect = 'https://json-schema.org/draft/2020-12/schema';
    assert.deepEqual(wrapped({ $schema: dialect, type: 'array' }), {
      $schema: dialect,
      type: 'object',
      properties: { result: { type: 'array' } },
      required: ['result'],
    });
  });

  it('keeps everything beside the schema to the letter', () => {
    assert.equal(
      legacyItem('tools', '{ "name":"t", "n": 1.0, "output\\u0053chema" : {"type":"array"}, "x":[ ]}'),
      '{ "name":"t", "n": 1.0, "output\\u0053chema" : {"type":"object","properties":{"result":{"type":"array"}},"required":["result"]}, "x":[ ]}',
    );
  });

  for (const text of [
    '{"name":"t"}',
    '{ "name":"t", "outputSchema":{"type":"object"} }',
    '{"name":"t","outputSchema":true}',
    '{"name":"outputSchema"}',
    '{"outputSchema"',
  ]) {
    it(`stays to the letter: ${text}`, () => assert.equal(legacyItem('tools', text), text));
  }

  it('is meant, not a prompt or a resource', () => {
    const text = '{"name":"t","outputSchema":{"type":"array"},"execution":{}}';
    for (const kind of ['prompts', 'resources', 'resourceTemplates'] as const) {
      assert.equal(legacyItem(kind, text), text);
      assert.equal(modernItem(kind, text), text);
    }
  });
});

describe('a tool for modern callers', () => {
  it('has no execution', () => {
    assert.equal(
      modernItem('tools', '{"name":"t","execution":{"taskSupport":"optional"},"n":1.0}'),
      '{"name":"t","n":1.0}',
    );
  });

  for (const text of [
    '{ "name":"t" }',
    '{ "name":"execution" }',
    '{"inputSchema":{"execution":1}}',
    '{"execution"',
  ]) {
    it(`stays to the letter: ${text}`, () => assert.equal(modernItem('tools', text), text));
  }
});

describe('a list of tools', () => {
  it('changes only in the items that must', () => {
    const text = '{ "tools": [ {"name":"a", "n": 1.0}, {"name":"b","execution":{}} ], "nextCursor":"c" }';
    assert.equal(
      mapItems('tools', text, (item) => modernItem('tools', item)),
      '{ "tools": [ {"name":"a", "n": 1.0}, {"name":"b"} ], "nextCursor":"c" }',
    );
  });

  for (const text of ['{"tools":{}}', '{}', '7']) {
    it(`is none: ${text}`, () =>
      assert.equal(
        mapItems('tools', text, () => 'x'),
        text,
      ));
  }
});

describe('structured content for legacy callers', () => {
  for (const value of ['[1.0, 2]', '"a"', '7', 'true', 'null']) {
    it(`is wrapped: ${value}`, () => {
      assert.equal(
        wrapStructured(`{"content":[], "structuredContent": ${value} }`),
        `{"content":[], "structuredContent": {"result":${value}} }`,
      );
    });
  }
  for (const text of [
    '{"structuredContent":{ "a": 1.0 }}',
    '{"content":[]}',
    '{"content":["structuredContent"]}',
    '{"structuredContent"',
  ]) {
    it(`stays to the letter: ${text}`, () => assert.equal(wrapStructured(text), text));
  }
});

describe('a reply between the eras', () => {
  const result = (text: string) => ({ kind: 'result', text }) as const;

  it('brings tools in the shape of the other era', () => {
    const tools = '{"tools":[{"name":"t","outputSchema":{"type":"array"},"execution":{}}]}';
    const down = adaptReply(result(tools), 'tools/list', 'modern', 'legacy', 's');
    assert.match(JSON.stringify(down), /properties.*result/);
    const up = adaptReply(result(tools), 'tools/list', 'legacy', 'modern', 's');
    assert.ok('text' in up && !up.text.includes('execution') && up.text.includes('"type":"array"'));
    assert.deepEqual(adaptReply(result(tools), 'tools/list', 'legacy', 'legacy', 's'), result(tools));
  });

  it('brings structured content in the shape of the other era', () => {
    const called = '{"resultType":"complete","content":[],"structuredContent":[1.0]}';
    const down = adaptReply(result(called), 'tools/call', 'modern', 'legacy', 's');
    assert.deepEqual(down, result('{"content":[],"structuredContent":{"result":[1.0]}}'));
    assert.deepEqual(adaptReply(result(called), 'tools/call', 'modern', 'modern', 's'), result(called));
    const prompt = '{"messages":[],"structuredContent":[1]}';
    assert.deepEqual(adaptReply(result(prompt), 'prompts/get', 'modern', 'legacy', 's'), result(prompt));
  });

  it('is a fault for a legacy caller where it asks or hands out a task', () => {
    for (const type of ['input_required', 'task', 'other']) {
      const reply = adaptReply(
        result(`{"resultType":"${type}","requestState":"s"}`),
        'tools/call',
        'modern',
        'legacy',
        's',
      );
      assert.ok('fault' in reply && reply.fault === 'upstream_broken');
    }
  });
});
