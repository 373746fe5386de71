/** `/mcp/v1/*` over HTTP: both forms of body, every method, to the letter; who is let in, and what bad requests are told. */

import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { JsonObject } from '@cruvero/core';
import {
  nobodysEndpoint,
  probe,
  readBody,
  serveHttp,
  startConformanceServer,
  startDualServer,
  startLegacyServer,
  type ConformanceServer,
  type FixtureServer,
  type ProbeResponse,
} from '@cruvero/testkit';
import { gate, type Gate } from '../gate.fixture.ts';
import { keys, profileRow, stage, until, type Stage } from '../gateway.fixture.ts';
import { envelope, json, judge, key, type Expected } from './judge.fixture.ts';

type Headers = readonly (readonly [string, string])[];

/** Numbers that a parse would change. */
const huge = '{"n":12345678901234567890,"f":1.0,"e":1E2}';

/** A legacy server on bare text: what it is sent and what it sends is never parsed and written anew. */
async function startLetterServer(bodies: string[]) {
  const results: Readonly<Record<string, string>> = {
    initialize:
      '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"letters","version":"1"}}',
    'tools/list': '{"tools":[{"name":"numbers","inputSchema":{"type":"object"}}]}',
    'tools/call': `{"content":[],"structuredContent":${huge}}`,
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const text = await readBody(request);
    const { id, method } = JSON.parse(text === '' ? '{}' : text) as {
      readonly id?: unknown;
      readonly method?: string;
    };
    if (method === 'tools/call') bodies.push(text);
    const result = results[method ?? ''];
    if (id === undefined) return void response.writeHead(request.method === 'POST' ? 202 : 405).end();
    const body = result ? `"result":${result}` : '"error":{"code":-32601,"message":"no"}';
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},${body}}`);
  };
  return serveHttp((request, response) => void handle(request, response));
}

let legacy: FixtureServer;
let modern: FixtureServer;
let asking: ConformanceServer;
let gateway: Stage;
let held: Gate;
before(async () => {
  held = gate();
  legacy = await startLegacyServer({ extraTools: [held.tool] });
  modern = await startDualServer();
  asking = await startConformanceServer({ eras: 'legacy' });
  gateway = await stage({
    servers: [
      { name: 'files', endpoint: legacy.url },
      { name: 'modern', endpoint: modern.url },
      { name: 'asking', endpoint: asking.url },
      { name: 'gone', endpoint: await nobodysEndpoint() },
    ],
    profiles: [
      profileRow(),
      profileRow('strict', { rate_limit: 1, rate_burst: 1, tool_denylist: ['mcp.files.add'] }),
    ],
  });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await legacy.close();
  await modern.close();
  await asking.close();
});

const post = (
  method: string,
  body: JsonObject | string,
  headers: Headers = [json, key],
): Promise<ProbeResponse> =>
  probe(`${gateway.url}/mcp/v1/${method}`, {
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    timeoutMs: 20_000,
  });
const rpc = (method: string, params?: JsonObject, id: string | number = 7): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params ? { params } : {}),
});

describe('every method', () => {
  const ref = { type: 'ref/prompt', name: 'mcp.files.review' };
  const methods: readonly [string, JsonObject, RegExp][] = [
    [
      'initialize',
      { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
      /"protocolVersion":"2025-06-18"/,
    ],
    ['tools/list', {}, /"name":"mcp\.files\.echo"/],
    ['tools/call', { name: 'mcp.files.echo', arguments: { text: 'hello' } }, /"text":"hello"/],
    ['tools/call', { name: 'mcp.modern.echo', arguments: { text: 'hello' } }, /"text":"hello"/],
    ['resources/list', {}, /"uri":"mcp:\/\/files\/fixture:\/\/notes\/welcome"/],
    ['resources/templates/list', {}, /"uriTemplate":"mcp:\/\/files\//],
    ['resources/read', { uri: 'mcp://files/fixture://notes/welcome' }, /schön/],
    ['prompts/list', {}, /"name":"mcp\.files\.greeting"/],
    ['prompts/get', { name: 'mcp.files.greeting' }, /"messages":\[/],
    ['completion/complete', { ref, argument: { name: 'language', value: '' } }, /"completion":\{/],
  ];
  for (const [method, params, holds] of methods) {
    it(`${method} answers bare params with the bare result, and a request with a response of the same result: ${JSON.stringify(params).slice(0, 40)}`, async () => {
      const bare = await post(method, params);
      assert.equal(bare.status, 200, bare.body);
      assert.equal(bare.header('content-type'), 'application/json');
      assert.match(bare.body, holds);
      assert.doesNotMatch(bare.body, /"jsonrpc"|"resultType"|"ttlMs"/);
      const response = await post(method, rpc(method, params, 'a"b'));
      assert.equal(response.status, 200);
      assert.equal(response.body, `{"jsonrpc":"2.0","id":"a\\"b","result":${bare.body}}`);
    });
  }

  it('needs no params where it needs none, and no body at all', async () => {
    for (const body of ['', '{}', ' {} ']) assert.equal((await post('tools/list', body)).status, 200, body);
    assert.equal((await post('tools/list', rpc('tools/list'))).status, 200);
  });

  it('takes names as the URL asks for them', async () => {
    assert.match((await post('tools/list?names=safe', {})).body, /"name":"files__echo"/);
    const called = await post('tools/call?names=safe', { name: 'files__echo', arguments: { text: 'safe' } });
    assert.match(called.body, /"text":"safe"/);
  });

  it('passes numbers to the letter in both directions', async () => {
    const bodies: string[] = [];
    await using letters = await startLetterServer(bodies);
    await using own = await stage({ servers: [{ name: 'letters', endpoint: `${letters.origin}/mcp` }] });
    const params = `{"name":"mcp.letters.numbers","arguments":${huge}}`;
    const result = `{"content":[],"structuredContent":${huge}}`;
    const to = (body: string): Promise<ProbeResponse> =>
      probe(`${own.url}/mcp/v1/tools/call`, { headers: [json, key], body });
    assert.equal((await to(params)).body, result);
    const enveloped = `{"jsonrpc":"2.0","id":12345678901234567890,"method":"tools/call","params":${params}}`;
    assert.equal(
      (await to(enveloped)).body,
      `{"jsonrpc":"2.0","id":12345678901234567890,"result":${result}}`,
    );
    assert.equal(bodies.length, 2);
    for (const body of bodies) assert.ok(body.includes(`"arguments":${huge}`), body);
  });
});

describe('initialize', () => {
  it('opens no session, and promises nothing that would need one', async () => {
    const response = await post('initialize', {});
    assert.equal(response.header('mcp-session-id'), undefined);
    const { capabilities, protocolVersion } = response.json() as JsonObject;
    assert.deepEqual(capabilities, { tools: {}, resources: {}, prompts: {}, completions: {} });
    assert.equal(protocolVersion, '2025-11-25');
    assert.equal(gateway.telemetry.gauge('mcpgw_sessions'), 0);
  });
});

describe('a call', () => {
  it('whose server asks something is told that nobody can be asked', async () => {
    const response = await post('tools/call', {
      name: 'mcp.asking.test_sampling',
      arguments: { prompt: 'x' },
    });
    assert.match(response.body, /sampling/);
    assert.doesNotMatch(response.body, /LLM response/);
  });

  it('that fails as tools fail is a result', async () => {
    const response = await post('tools/call', { name: 'mcp.files.fail', arguments: { text: 'no' } });
    assert.equal(response.status, 200);
    assert.equal((response.json() as JsonObject)['isError'], true);
  });

  it('is aborted when its caller leaves', async () => {
    const aborted = legacy.catalogue.aborted;
    const left = probe(`${gateway.url}/mcp/v1/tools/call`, {
      headers: [json, key],
      body: '{"name":"mcp.files.gate"}',
      timeoutMs: 200,
    });
    await until(() => held.waiting() === 1, 'the call');
    await assert.rejects(left);
    await until(() => legacy.catalogue.aborted > aborted, 'the abort at the server');
    held.open();
  });

  it('counts against the rate, and is bound by the policy', async () => {
    const strict: Headers = [json, ['x-api-key', keys.strict]];
    const body = { name: 'mcp.files.echo', arguments: { text: 'x' } };
    assert.equal((await post('tools/call', body, strict)).status, 200);
    const limited = await post('tools/call', body, strict);
    assert.equal(limited.status, 429);
    assert.ok(Number(limited.header('retry-after')) >= 1);
    const refused = await post('tools/call', { name: 'mcp.files.add', arguments: { a: 1, b: 1 } }, strict);
    assert.equal(refused.status, 403);
    assert.match((refused.json() as { error: { message: string } }).error.message, /not allowed for you/);
    assert.doesNotMatch((await post('tools/list', {}, strict)).body, /mcp\.files\.add"/);
  });
});

describe('an error', () => {
  const bare: readonly [string, string, JsonObject | string, number, number, RegExp][] = [
    ['of an unknown tool', 'tools/call', { name: 'mcp.files.none' }, 422, -32602, /Unknown tool/],
    ['of a name of nobody', 'tools/call', { name: 'none' }, 404, -32602, /Unknown name/],
    ['of a missing name', 'tools/call', {}, 400, -32602, /params.name is missing/],
    ['of a resource of nobody', 'resources/read', { uri: 'x://y' }, 404, -32602, /belongs to no server/],
    ['of a cursor of nobody', 'tools/list', { cursor: 'x' }, 400, -32602, /cursor/],
    ['of a server that is gone', 'tools/call', { name: 'mcp.gone.echo' }, 503, -31053, /cannot be reached/],
    ['of a body that is no JSON', 'tools/list', '{', 400, -32700, /not valid JSON/],
    ['of a body behind its end', 'tools/list', '{},"method":"tools/call"', 400, -32700, /not valid JSON/],
    ['of a body that is no object', 'tools/list', '7', 400, -32600, /JSON-RPC request or its params/],
    [
      'of a batch',
      'tools/list',
      '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]',
      400,
      -32600,
      /one request/,
    ],
    ['of a parameter twice', 'tools/call', '{"name":"a","name":"b"}', 400, -32600, /name/],
    ['of a parameter in another case', 'tools/call', '{"name":"a","Name":"b"}', 400, -32600, /ambiguous/],
    [
      'of a modern envelope',
      'tools/list',
      { _meta: envelope },
      400,
      -32600,
      /^\/mcp\/v1 carries no messages of MCP 2026-07-28/,
    ],
  ];
  for (const [name, method, body, status, code, says] of bare) {
    it(`${name} is bare, with its HTTP status`, async () => {
      const response = await post(method, body);
      assert.equal(response.status, status, response.body);
      const { error, ...rest } = response.json() as {
        readonly error: { readonly code: number; readonly message: string };
      };
      assert.deepEqual(rest, {});
      assert.equal(error.code, code, response.body);
      assert.match(error.message, says);
    });
  }

  const enveloped: readonly [string, string, JsonObject | string, Expected][] = [
    [
      'of an unknown tool',
      'tools/call',
      rpc('tools/call', { name: 'mcp.files.none' }),
      { status: 200, code: -32602, id: 7, says: /Unknown tool/ },
    ],
    [
      'of a server that is gone',
      'tools/call',
      rpc('tools/call', { name: 'mcp.gone.echo' }),
      { status: 200, code: -31053, id: 7, says: /cannot be reached/ },
    ],
    [
      'of another method than the path’s',
      'tools/list',
      rpc('tools/call', {}),
      { status: 400, code: -32600, id: 7, says: /The path says "tools\/list", the body says "tools\/call"/ },
    ],
    [
      'of a version of JSON-RPC',
      'tools/list',
      '{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
      { status: 400, code: -32600, id: null, says: /"jsonrpc"/ },
    ],
    [
      'of params in an envelope without its name',
      'tools/list',
      '{"method":"tools/list","params":{}}',
      { status: 400, code: -32600, says: /"jsonrpc"/ },
    ],
    [
      'of a notification',
      'tools/list',
      '{"jsonrpc":"2.0","method":"tools/list"}',
      { status: 400, code: -32600, says: /Only requests/ },
    ],
    [
      'of a response',
      'tools/list',
      '{"jsonrpc":"2.0","id":1,"result":{}}',
      { status: 400, code: -32600, says: /Only requests|"method"/ },
    ],
    [
      'of a modern envelope',
      'tools/list',
      rpc('tools/list', { _meta: envelope }),
      { status: 400, code: -32600, id: 7, says: /POST them to \/mcp/ },
    ],
  ];
  for (const [name, method, body, expected] of enveloped) {
    it(`${name} in a request is in a response`, async () =>
      judge(withSentence(await post(method, body)), expected));
  }
});

/** The words of a server are its own: only the gateway's errors are held to be sentences. */
function withSentence(response: ProbeResponse): ProbeResponse {
  if (!response.body.includes('Unknown tool')) return response;
  const { body } = response;
  return {
    ...response,
    json: () => JSON.parse(body.replace(/("message":"(?:[^"\\]|\\.)*)"/, '$1."')) as unknown,
  };
}

describe('at the door', () => {
  const refusals: readonly [string, string, Headers, Expected][] = [
    [
      'nobody is let in without a key',
      'tools/list',
      [json],
      { status: 401, code: -31001, says: /API key is needed/ },
    ],
    [
      'nobody without the scope',
      'tools/list',
      [json, ['x-api-key', keys.admin]],
      { status: 403, code: -31003, says: /scope "mcp"/ },
    ],
    [
      'no other type',
      'tools/list',
      [key, ['content-type', 'text/plain']],
      { status: 415, code: -32600, says: /Content-Type/ },
    ],
    [
      'no other host',
      'tools/list',
      [json, key, ['host', 'evil.test']],
      { status: 403, code: -32600, says: /Host/ },
    ],
    [
      'no other origin',
      'tools/list',
      [json, key, ['origin', 'https://evil.test']],
      { status: 403, code: -32600, says: /Origin/ },
    ],
    [
      'no modern header',
      'tools/list',
      [json, key, ['mcp-protocol-version', '2026-07-28']],
      { status: 400, code: -32600, says: /2026-07-28/ },
    ],
    [
      'no other method',
      'logging/setLevel',
      [json, key],
      { status: 404, code: -32600, says: /Nothing is served/ },
    ],
    ['no other path', 'tools/list/', [json, key], { status: 404, code: -32600, says: /Nothing is served/ }],
    [
      'no path that hides',
      'tools%2Flist',
      [json, key],
      { status: 404, code: -32600, says: /Nothing is served/ },
    ],
    [
      'no member of objects',
      'constructor',
      [json, key],
      { status: 404, code: -32600, says: /Nothing is served/ },
    ],
  ];
  for (const [name, method, headers, expected] of refusals) {
    it(name, async () => judge(await post(method, rpc(method, {}), headers), expected));
  }

  it('no body larger than the bound', async () => {
    judge(await post('tools/list', `{"x":"${'x'.repeat(300 << 10)}"}`), {
      status: 413,
      code: -32600,
      says: /larger than/,
    });
  });

  it('nothing but POST', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await probe(`${gateway.url}/mcp/v1/tools/list`, { method, headers: [key] });
      assert.equal(response.status, 405);
      assert.equal(response.header('allow'), 'POST');
    }
    assert.equal((await probe(`${gateway.url}/mcp/v1`, { headers: [key] })).status, 404);
  });

  it('another tenant sees none of the servers', async () => {
    const zoe: Headers = [json, ['x-api-key', keys.zoe]];
    assert.deepEqual((await post('tools/list', {}, zoe)).json(), { tools: [] });
    assert.equal((await post('tools/call', { name: 'mcp.files.echo' }, zoe)).status, 404);
  });
});

describe('anything at all', () => {
  it('is answered', async () => {
    const method = fc.constantFrom(
      'initialize',
      'tools/list',
      'tools/call',
      'resources/read',
      'prompts/get',
      'completion/complete',
    );
    const params = fc.record(
      {
        jsonrpc: fc.constant('2.0'),
        id: fc.jsonValue(),
        method,
        params: fc.jsonValue(),
        name: fc.jsonValue(),
        uri: fc.jsonValue(),
        ref: fc.jsonValue(),
        _meta: fc.jsonValue(),
        cursor: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.json(),
      params.map((value) => JSON.stringify(value)),
    );
    await fc.assert(
      fc.asyncProperty(method, body, async (at, sent) => {
        const response = await probe(`${gateway.url}/mcp/v1/${at}`, { headers: [json, key], body: sent });
        assert.ok(response.whole);
        assert.ok(response.status >= 200 && response.status < 500, `${response.status}: ${response.body}`);
        assert.equal(typeof response.json(), 'object');
      }),
      { numRuns: 150 },
    );
  });
});
