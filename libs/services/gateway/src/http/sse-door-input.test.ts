/** What HTTP+SSE makes of bad requests, of strangers, and of anything at all. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { probe, startLegacyServer, type FixtureServer, type ProbeResponse } from '@cruvero/testkit';
import { Client } from '../client.fixture.ts';
import { keys, serverRow, stage, type Stage } from '../gateway.fixture.ts';
import { envelope, json, judge, key, request, type Expected } from './judge.fixture.ts';
import { bearer, SseClient } from './sse-client.fixture.ts';

type Headers = readonly (readonly [string, string])[];

let server: FixtureServer;
let gateway: Stage;
let client: SseClient;
before(async () => {
  server = await startLegacyServer();
  gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
  client = await SseClient.open(gateway.url);
  await client.initialize();
});
after(async () => {
  await client[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

describe('GET of the stream is refused', () => {
  const refusals: readonly [string, string, Headers, Expected][] = [
    ['without a key', '/sse', [], { status: 401, code: -31001, says: /API key is needed/ }],
    ['with a wrong key', '/sse', [['x-api-key', 'cmk_no']], { status: 401, code: -31001, says: /not known/ }],
    [
      'with two keys',
      '/sse',
      [key, ['x-api-key', 'other']],
      { status: 401, code: -31001, says: /different keys/ },
    ],
    [
      'with a key without the scope',
      '/sse',
      [bearer('admin')],
      { status: 403, code: -31003, says: /scope "mcp"/ },
    ],
    [
      'that takes no events',
      '/sse',
      [key, ['accept', 'application/json']],
      { status: 406, code: -32600, says: /text\/event-stream/ },
    ],
    [
      'of another Host',
      '/sse',
      [key, ['host', 'evil.test']],
      { status: 403, code: -32600, says: /Host header/ },
    ],
    [
      'of another Origin',
      '/sse',
      [key, ['origin', 'https://evil.test']],
      { status: 403, code: -32600, says: /Origin/ },
    ],
    [
      'at a server that is not there',
      '/servers/none/sse',
      [key],
      { status: 404, code: -32602, says: /no server "none"/ },
    ],
    [
      'at a virtual server that is not there',
      '/virtual/none/sse',
      [key],
      { status: 404, code: -32602, says: /no server "none"/ },
    ],
    [
      'at the server of another tenant',
      '/servers/files/sse',
      [bearer('zoe')],
      { status: 404, code: -32602, says: /no server "files"/ },
    ],
    [
      'at a name that is none',
      '/servers/FILES/sse',
      [key],
      { status: 404, code: -32600, says: /Nothing is served/ },
    ],
    ['with something behind it', '/sse/', [key], { status: 404, code: -32600, says: /Nothing is served/ }],
  ];
  for (const [name, path, headers, expected] of refusals) {
    it(name, async () => judge(await probe(gateway.url + path, { headers }), expected));
  }

  for (const method of ['POST', 'DELETE', 'PUT', 'HEAD']) {
    it(`by ${method}`, async () => {
      const response = await probe(`${gateway.url}/sse`, { method, headers: [key, ['content-length', '0']] });
      assert.equal(response.status, 405);
      assert.equal(response.header('allow'), 'GET');
    });
  }
});

describe('POST of a message is refused', () => {
  const modernEnvelope = request({ params: { _meta: envelope } });
  const refusals: readonly [
    string,
    { readonly headers?: Headers; readonly body?: string; readonly url?: () => string },
    Expected,
  ][] = [
    ['without a key', { headers: [json] }, { status: 401, code: -31001, says: /API key is needed/ }],
    [
      'with a key without the scope',
      { headers: [json, bearer('admin')] },
      { status: 403, code: -31003, says: /scope/ },
    ],
    [
      'of another principal',
      { headers: [json, bearer('bob')] },
      { status: 404, code: -32600, says: /No stream of yours/ },
    ],
    [
      'of another tenant',
      { headers: [json, bearer('zoe')] },
      { status: 404, code: -32600, says: /No stream of yours/ },
    ],
    [
      'of another Origin',
      { headers: [json, key, ['origin', 'https://evil.test']] },
      { status: 403, code: -32600, says: /Origin/ },
    ],
    [
      'without a session',
      { url: () => `${gateway.url}/messages` },
      { status: 400, code: -32600, says: /Exactly one sessionId/ },
    ],
    [
      'with an empty session',
      { url: () => `${gateway.url}/messages?sessionId=` },
      { status: 404, code: -32600, says: /No stream/ },
    ],
    [
      'with a session that is not there',
      { url: () => `${gateway.url}/messages?sessionId=${'A'.repeat(32)}` },
      { status: 404, code: -32600, says: /replica/ },
    ],
    [
      'with two sessions',
      { url: () => `${client.url}&sessionId=x` },
      { status: 400, code: -32600, says: /Exactly one sessionId/ },
    ],
    ['with no type', { headers: [key] }, { status: 415, code: -32600, says: /Content-Type/ }],
    [
      'of a form',
      { headers: [key, ['content-type', 'text/plain']] },
      { status: 415, code: -32600, says: /Content-Type/ },
    ],
    ['of nothing', { body: '' }, { status: 400, code: -32700, says: /not valid JSON/ }],
    ['of no message', { body: '{}' }, { status: 400, code: -32600, says: /jsonrpc/ }],
    [
      'of a batch',
      { body: `[${request()}]` },
      { status: 400, code: -32600, says: /one message in one request/ },
    ],
    [
      'of a member twice',
      { body: '{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}' },
      { status: 400, code: -32600, says: /method/ },
    ],
    [
      'of too much',
      { body: `"${'x'.repeat(300 << 10)}"` },
      { status: 413, code: -32600, says: /larger than/ },
    ],
    [
      'of a modern message',
      { body: modernEnvelope },
      {
        status: 400,
        code: -32600,
        id: 1,
        says: /^HTTP\+SSE \(MCP 2024-11-05\) carries no messages of MCP 2026-07-28; POST them to \/mcp\.$/,
      },
    ],
    [
      'of a modern notification',
      { body: modernEnvelope.replace('"id":1,', '') },
      { status: 400, code: -32600, says: /2026-07-28/ },
    ],
    [
      'under a modern header',
      { headers: [json, key, ['mcp-protocol-version', '2026-07-28']] },
      { status: 400, code: -32600, says: /2026-07-28/ },
    ],
    [
      'under a version of nobody',
      { headers: [json, key, ['mcp-protocol-version', '1999-01-01']] },
      { status: 400, code: -32022, says: /1999-01-01/ },
    ],
    [
      'of a _meta that is none',
      { body: request({ params: { _meta: 7 } }) },
      { status: 400, code: -32602, says: /_meta/ },
    ],
  ];
  for (const [name, { headers, body, url }, expected] of refusals) {
    it(name, async () => {
      const target = url?.() ?? client.url;
      judge(await probe(target, { headers: headers ?? [json, key], body: body ?? request() }), expected);
    });
  }

  it('by any other method', async () => {
    for (const method of ['GET', 'DELETE', 'PUT']) {
      const response = await probe(client.url, { method, headers: [key] });
      assert.equal(response.status, 405);
      assert.equal(response.header('allow'), 'POST');
    }
  });

  it('and leaves the session as it was', async () => {
    assert.deepEqual((await client.ask('after', 'ping'))['result'], {});
    assert.deepEqual(client.seen, [], 'no refusal is said over the stream');
  });
});

it('an unknown method is answered over the stream', async () => {
  const answer = await client.ask('u', 'no/such');
  assert.match(JSON.stringify(answer['error']), /-32601/);
});

it('the version header of a legacy client is taken, whatever was negotiated', async () => {
  const headers = [json, key, ['mcp-protocol-version', '2025-11-25'] as const];
  assert.equal((await client.post(request({ id: 'v', method: 'ping' }), headers)).status, 202);
  await client.answer('v');
});

it('a server that is gone is told so to who stayed at its door', async () => {
  await using own = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
  await using stayed = await SseClient.open(own.url, '/servers/files/sse');
  await stayed.initialize();
  await own.configure('servers', {
    version: 50,
    servers: [serverRow({ name: 'other', endpoint: server.url })],
  });
  const response = await stayed.request(1, 'tools/list');
  assert.equal(response.status, 404);
  assert.match(response.body, /no server \\"files\\"/);
});

it('no session of Streamable HTTP opens with the id of a stream, nor the other way round', async () => {
  const other = await new Client('legacy', `${gateway.url}/mcp`, keys.alice).open();
  const response = await probe(
    `${gateway.url}/messages?sessionId=${encodeURIComponent(other.session ?? '')}`,
    {
      headers: [json, key],
      body: request(),
    },
  );
  assert.equal(response.status, 404);
});

describe('anything at all', () => {
  const isAnswer = (response: ProbeResponse): void => {
    assert.ok(response.whole, 'the answer was cut');
    assert.ok(response.status >= 200 && response.status < 500, `${response.status}: ${response.body}`);
    if (response.status === 202) return void assert.equal(response.body, '');
    assert.equal(response.header('content-type'), 'application/json', response.body);
    const { error } = response.json() as { readonly error?: { readonly message?: unknown } };
    assert.equal(typeof error?.message, 'string', response.body);
  };
  const message = fc.record(
    {
      jsonrpc: fc.constantFrom('2.0', 2),
      id: fc.oneof(fc.integer(), fc.string(), fc.jsonValue()),
      method: fc.oneof(
        fc.constantFrom(
          'initialize',
          'ping',
          'tools/list',
          'tools/call',
          'notifications/cancelled',
          '__proto__',
        ),
        fc.jsonValue(),
      ),
      params: fc.oneof(
        fc.record(
          { name: fc.string(), _meta: fc.jsonValue(), requestId: fc.jsonValue() },
          { requiredKeys: [] },
        ),
        fc.jsonValue(),
      ),
      result: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const runs = { numRuns: 120 };

  it('posted is answered', async () => {
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json(),
      message.map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(body, async (sent) =>
        isAnswer(await probe(client.url, { headers: [json, key], body: sent })),
      ),
      runs,
    );
    assert.deepEqual((await client.ask('alive', 'ping'))['result'], {});
  });

  it('in the query is answered', async () => {
    const query = fc.stringMatching(/^[\x21-\x22\x24-\x7e]{0,60}$/);
    await fc.assert(
      fc.asyncProperty(query, async (text) =>
        isAnswer(
          await probe(gateway.url, { path: `/messages?${text}`, headers: [json, key], body: request() }),
        ),
      ),
      runs,
    );
  });
});
