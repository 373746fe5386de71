/** What goes up and what comes back, between the eras. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault } from '../model/fault.ts';
import { paramsFrom } from './message.ts';
import {
  requestText,
  upstreamHeaders,
  upstreamMeta,
  upstreamParams,
  type UpstreamDialect,
} from './outbound.ts';
import { readUpstreamMessage } from './reply.ts';
import {
  adaptReply,
  legacyResult,
  modernResult,
  readDiscoverResult,
  readInitializeResult,
} from './results.ts';

const legacy: UpstreamDialect = {
  era: 'legacy',
  version: '2025-11-25',
  clientInfo: { name: 'g' },
  capabilities: {},
};
const modern: UpstreamDialect = {
  era: 'modern',
  version: '2026-07-28',
  clientInfo: { name: 'g' },
  capabilities: { sampling: {} },
};
const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
  'io.modelcontextprotocol/clientInfo': { name: 'caller' },
};

describe('parameters for an upstream', () => {
  it('lose the envelope towards a legacy server and keep what is others’', () => {
    const params = paramsFrom(JSON.stringify({ name: 'a', _meta: { ...envelope, 'vendor/x': 1 } }));
    const text = upstreamParams(params, { ...envelope, 'vendor/x': 1 }, legacy, {}, { name: '"b"' });
    assert.deepEqual(JSON.parse(text), { name: 'b', _meta: { 'vendor/x': 1 } });
  });

  it('lose an empty _meta altogether', () => {
    const params = paramsFrom(JSON.stringify({ name: 'a', _meta: envelope }));
    assert.equal(upstreamParams(params, envelope, legacy, {}), '{"name":"a"}');
  });

  it('get this hop’s own envelope towards a modern server', () => {
    const meta = upstreamMeta({ ...envelope, progressToken: 'p' }, modern, { progressToken: 7 });
    assert.deepEqual(meta, {
      progressToken: 7,
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': { sampling: {} },
      'io.modelcontextprotocol/clientInfo': { name: 'g' },
    });
  });

  it('are passed on to the letter where nothing has to change', () => {
    const text = '{ "name":"a", "arguments": {"n": 1.0, "big": 12345678901234567890} }';
    assert.equal(upstreamParams(paramsFrom(text), undefined, legacy, {}), text);
  });

  it('carry the trace, and drop a token that is taken out', () => {
    const meta = upstreamMeta({ progressToken: 1 }, legacy, {
      progressToken: undefined,
      traceparent: '00-a',
    });
    assert.deepEqual(meta, { traceparent: '00-a' });
  });

  it('are mirrored in headers towards a modern server only', () => {
    const params = '{"name":"é"}';
    assert.deepEqual(upstreamHeaders('tools/call', paramsFrom(params), modern), {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': '=?base64?w6k=?=',
    });
    const renamed = upstreamHeaders('tools/call', paramsFrom(params), modern, { name: '"own \\"name"' });
    assert.equal(renamed['mcp-name'], 'own "name', 'the name that the body will have');
    assert.deepEqual(upstreamHeaders('tools/call', paramsFrom(params), legacy), {
      'mcp-protocol-version': '2025-11-25',
    });
    assert.deepEqual(upstreamHeaders('initialize', paramsFrom('{}'), legacy), {});
  });
});

describe('messages of an upstream', () => {
  const result = '{"content":[{"type":"text","text":"a \\"},\\" b"}],"n":1.0}';
  const spellings: readonly [string, string][] = [
    ['result first', `{"result":${result},"jsonrpc":"2.0","id":5}`],
    ['result last', `{"jsonrpc":"2.0","id":5,"result":${result}}`],
    ['with space', `{ "jsonrpc": "2.0", "id": 5, "result": ${result} }`],
    ['with a member behind', `{"jsonrpc":"2.0","id":5,"result":${result},"extra":{"a":{}}}`],
    ['the same, result without nesting', '{"jsonrpc":"2.0","id":5,"result":{},"extra":{"a":{}}}'],
  ];
  for (const [name, text] of spellings) {
    it(`are read to the letter: ${name}`, () => {
      const read = readUpstreamMessage(text, '5');
      assert.ok(read.kind === 'result');
      assert.deepEqual(JSON.parse(read.text), (JSON.parse(text) as { result: unknown }).result);
      assert.equal(read.idText, '5');
    });
  }

  it('keep the id that they have, so that an answer to another request is seen', () => {
    const read = readUpstreamMessage('{"jsonrpc":"2.0","id":6,"result":{}}', '5');
    assert.ok(read.kind === 'result' && read.idText === '6');
  });

  it('are told apart', () => {
    assert.equal(readUpstreamMessage('{"jsonrpc":"2.0","method":"n"}', '5').kind, 'notification');
    assert.equal(readUpstreamMessage('{"jsonrpc":"2.0","id":1,"method":"ping"}', '5').kind, 'request');
    assert.equal(readUpstreamMessage('{"jsonrpc":"2.0","id":5}', '5').kind, 'garbage');
    assert.equal(readUpstreamMessage('<html>', '5').kind, 'garbage');
  });

  it('have an error code, or are given one', () => {
    const read = readUpstreamMessage('{"jsonrpc":"2.0","id":5,"error":{"code":-32602,"message":"m"}}', '5');
    assert.ok(read.kind === 'error' && read.code === -32602);
    const none = readUpstreamMessage('{"jsonrpc":"2.0","id":5,"error":"bad"}', '5');
    assert.ok(none.kind === 'error' && none.code === -32603);
  });
});

describe('results', () => {
  it('become modern: a type for all, a time to live for what may be cached', () => {
    assert.equal(modernResult('tools/call', '{"content":[]}'), '{"resultType":"complete","content":[]}');
    assert.deepEqual(JSON.parse(modernResult('tools/list', '{"tools":[]}')), {
      resultType: 'complete',
      ttlMs: 0,
      cacheScope: 'private',
      tools: [],
    });
    assert.equal(modernResult('tools/call', '{"resultType":"task"}'), '{"resultType":"task"}');
  });

  it('become legacy: the modern members go, everything else stays to the letter', () => {
    assert.equal(legacyResult('{"resultType":"complete","content":[1.0]}', 's'), '{"content":[1.0]}');
    assert.equal(legacyResult('{"content":[1.0]}', 's'), '{"content":[1.0]}');
    const text =
      '{"_meta":{"io.modelcontextprotocol/serverInfo":{},"a":1},"resultType":"complete","ttlMs":5,"x":1}';
    assert.deepEqual(JSON.parse(String(legacyResult(text, 's'))), { _meta: { a: 1 }, x: 1 });
  });

  it('that ask for input have no legacy form', () => {
    const adapted = legacyResult('{"resultType":"input_required","inputRequests":{}}', 's');
    assert.ok(isFault(adapted) && adapted.fault === 'upstream_broken');
  });

  it('that cannot be read are left to who reads them', () => {
    for (const text of [
      '{"a":1,"a":2}',
      '{"a":tru}',
      '{"a" 1}',
      '5',
      `{"a":${'['.repeat(300)}${']'.repeat(300)}}`,
    ])
      assert.deepEqual(adaptReply({ kind: 'result', text }, 'tools/call', 'modern', 'modern', 's'), {
        kind: 'result',
        text,
      });
  });

  it('of errors get the code that the other era has for them', () => {
    const error = (code: number) =>
      ({ kind: 'error', code, text: `{"code":${code},"message":"m"}` }) as const;
    assert.partialDeepStrictEqual(adaptReply(error(-32002), 'resources/read', 'legacy', 'modern', 's'), {
      code: -32602,
    });
    assert.partialDeepStrictEqual(adaptReply(error(-32020), 'tools/call', 'modern', 'legacy', 's'), {
      code: -32603,
    });
    assert.partialDeepStrictEqual(adaptReply(error(-32602), 'tools/call', 'modern', 'legacy', 's'), {
      code: -32602,
    });
    assert.partialDeepStrictEqual(adaptReply(error(-32002), 'resources/read', 'legacy', 'legacy', 's'), {
      code: -32002,
    });
  });
});

describe('faces of servers', () => {
  it('are read from initialize', () => {
    const face = readInitializeResult(
      '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"x"},"instructions":"i"}',
    );
    assert.deepEqual(face, {
      era: 'legacy',
      version: '2025-06-18',
      capabilities: { tools: {} },
      serverInfo: { name: 'x' },
      instructions: 'i',
    });
    assert.equal(readInitializeResult('{"protocolVersion":"2025-06-18"}'), undefined);
    assert.equal(readInitializeResult('nonsense'), undefined);
  });

  it('are read from server/discover, in the newest version both know', () => {
    const text =
      '{"supportedVersions":["2027-01-01","2026-07-28"],"capabilities":{},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"x"}}}';
    assert.partialDeepStrictEqual(readDiscoverResult(text, ['2026-07-28']), {
      version: '2026-07-28',
      serverInfo: { name: 'x' },
    });
    assert.equal(
      readDiscoverResult('{"supportedVersions":["2027-01-01"],"capabilities":{}}', ['2026-07-28']),
      undefined,
    );
    assert.equal(readDiscoverResult('{"capabilities":{}}', ['2026-07-28']), undefined);
  });

  it('are asked for with a whole request', () => {
    assert.equal(requestText('"a"', 'm', '{}'), '{"jsonrpc":"2.0","id":"a","method":"m","params":{}}');
  });
});
