/** URIs in results and notifications are mapped where the protocol puts them. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServerName } from '../model/ids.ts';
import { exposeNotifiedUri, mapUris } from './uris.ts';

const files = 'files' as ServerName;
const loud = (own: string): string => own.toUpperCase();

describe('URIs in results', () => {
  const rows: readonly [string, string, string, string][] = [
    [
      'contents that were read',
      'resources/read',
      '{"contents":[{ "uri": "a:b", "text":"uri"}]}',
      '{"contents":[{ "uri": "A:B", "text":"uri"}]}',
    ],
    [
      'a name spelled with escapes',
      'resources/read',
      '{"contents":[{"\\u0075ri":"a:b"}]}',
      '{"contents":[{"\\u0075ri":"A:B"}]}',
    ],
    [
      'a link',
      'tools/call',
      '{"content":[{"type":"resource_link","uri":"a:b"}]}',
      '{"content":[{"type":"resource_link","uri":"A:B"}]}',
    ],
    [
      'an embedded resource',
      'tools/call',
      '{"content":[{"type":"resource","resource":{"uri":"a:b"}}]}',
      '{"content":[{"type":"resource","resource":{"uri":"A:B"}}]}',
    ],
    [
      'a prompt with one block',
      'prompts/get',
      '{"messages":[{"content":{"type":"resource_link","uri":"a:b"}}]}',
      '{"messages":[{"content":{"type":"resource_link","uri":"A:B"}}]}',
    ],
    [
      'a prompt with several',
      'prompts/get',
      '{"messages":[{"content":[{"type":"resource_link","uri":"a:b"}]}]}',
      '{"messages":[{"content":[{"type":"resource_link","uri":"A:B"}]}]}',
    ],
  ];
  for (const [name, method, text, expected] of rows) {
    it(`are mapped in ${name}`, () => assert.equal(mapUris(method, text, loud), expected));
  }

  for (const [name, method, text] of [
    ['another method', 'tools/list', '{"content":[{"type":"resource_link","uri":"a:b"}]}'],
    ['a method called as every object is', 'constructor', '{"content":[{"uri":"a:b"}]}'],
    ['other types of content', 'tools/call', '{"content":[{"type":"text","uri":"a:b"},7]}'],
    ['content that is no array', 'tools/call', '{"content":{"uri":"a:b"}}'],
    ['a message without content', 'prompts/get', '{"messages":[{"uri":"a:b"},8]}'],
    ['structured content', 'tools/call', '{"content":[],"structuredContent":{"uri":"a:b"}}'],
    ['no JSON', 'tools/call', '{"uri"'],
    ['an URI that is no string', 'resources/read', '{"contents":[{"uri":7},{"uri":"a","uri":"b"}]}'],
  ] as const) {
    it(`stay in ${name}`, () => assert.equal(mapUris(method, text, loud), text));
  }
});

describe('the URI of a notification', () => {
  it('is exposed, the rest to the letter', () => {
    assert.equal(
      exposeNotifiedUri(
        files,
        '{"method":"notifications/resources/updated", "params":{"uri":"a:b","n": 1.0}}',
      ),
      '{"method":"notifications/resources/updated", "params":{"uri":"mcp://files/a:b","n": 1.0}}',
    );
  });

  for (const text of [
    '{',
    '{"method":"n"}',
    '{"uri":"a","params":{}}',
    '{"params":["uri"]}',
    '{"params":{"uri":1}}',
  ]) {
    it(`is none in ${text}`, () => assert.equal(exposeNotifiedUri(files, text), text));
  }
});
