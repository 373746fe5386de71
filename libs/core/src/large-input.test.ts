/** No text takes more than linear time, however large and however hostile. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mapUris } from './catalog/uris.ts';
import { readBatch } from './era/batch.ts';
import { stampSubscription } from './era/listen.ts';
import { readMessage } from './era/message.ts';
import { readParamHeaders } from './era/param-headers.ts';
import { readInputRequired } from './era/questions.ts';
import { readUpstreamMessage } from './era/reply.ts';
import { adaptReply } from './era/results.ts';
import { mapTaskIds } from './era/tasks.ts';
import { canonicalText } from './wire/canonical.ts';
import { decodeHeaderValue, encodeHeaderValue } from './wire/header-value.ts';
import { SseParser } from './wire/sse.ts';

/** Linear work on a million characters takes tens of milliseconds; quadratic work takes minutes. */
const oneInputMsMax = 3_000;
const size = 1_000_000;
const large: readonly string[] = [
  '['.repeat(size),
  `{"a":`.repeat(size / 5),
  '"'.repeat(size),
  '\\'.repeat(size),
  `"${'\\"'.repeat(size / 2)}`,
  `{"jsonrpc":"2.0","id":5,"result":{"a":"${'\\\\'.repeat(size / 2)}"`,
  `{"jsonrpc":"2.0","id":5,"result":{"a":[${'"",'.repeat(size / 3)}""]}}`,
  `{"resultType":"input_required","inputRequests":{${'"a":{},'.repeat(size / 7)}"b":{}}}`,
  `[${'{},'.repeat(size / 3)}{}]`,
  `=?base64?${'A'.repeat(size)}?=`,
  `=?base64?${'='.repeat(size)}?=`,
  `${' '.repeat(size)}x${' \t'.repeat(size / 2)}y`,
  'data:\n'.repeat(size / 6),
  '\r'.repeat(size),
  '\n'.repeat(size),
  `1${'0'.repeat(size)}.1`,
  `"${'\\n'.repeat(size / 2)}"`,
  `{"tools":[${`{"name":"t","outputSchema":{"type":"array"}},`.repeat(size / 50)}{}]}`,
  `{"x-mcp-header":1,"inputSchema":${'{"properties":{"a":'.repeat(size / 20)}`,
];
const readers: readonly ((text: string) => unknown)[] = [
  readMessage,
  (text) => readBatch(text, 100),
  (text) => readUpstreamMessage(text, '5'),
  readInputRequired,
  readParamHeaders,
  decodeHeaderValue,
  encodeHeaderValue,
  canonicalText,
  (text) => mapTaskIds(`${text}taskId`, (own) => own),
  (text) => stampSubscription(text, '1'),
  (text) => mapUris('tools/call', `${text}uri`, (own) => own),
  (text) => adaptReply({ kind: 'result', text }, 'tools/list', 'modern', 'legacy', 's'),
  (text) => adaptReply({ kind: 'result', text }, 'tools/call', 'modern', 'legacy', 's'),
  (text) => new SseParser(2 * size).feed(text),
];

describe('a million hostile characters', () => {
  for (const text of large) {
    it(`are read in time: ${JSON.stringify(text.slice(0, 60))}`, () => {
      for (const reader of readers) {
        const startedMs = performance.now();
        reader(text);
        const tookMs = performance.now() - startedMs;
        assert.ok(tookMs < oneInputMsMax, `${reader.toString().slice(0, 60)} took ${tookMs} ms`);
      }
    });
  }
});
