/** Whatever is wrong with a request gets its status, its JSON-RPC code and a sentence that helps; nothing reaches a server. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { probe, startModernServer, type FixtureServer, type ProbeRequest } from '@cruvero/testkit';
import { Client } from '../client.fixture.ts';
import { keys, stage, type Stage } from '../gateway.fixture.ts';
import {
  both,
  envelope,
  json,
  judge,
  key,
  modern,
  plain,
  request,
  version,
  type Expected,
} from './judge.fixture.ts';

let server: FixtureServer;
let gateway: Stage;
let legacy: Client;

before(async () => {
  server = await startModernServer();
  gateway = await stage({
    servers: [{ name: 'files', endpoint: server.url }],
    config: { bodyBytesMax: 64 << 10 },
  });
  legacy = await new Client('legacy', `${gateway.url}/mcp`, keys.alice).open();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

const session = (): readonly [string, string] => ['mcp-session-id', legacy.session ?? ''];
const inSession = () => [...plain, version, session()];

describe('a POST to /mcp', () => {
  const cases: readonly [string, () => ProbeRequest, Expected][] = [
    [
      'with half a JSON text',
      () => ({ headers: plain, body: '{"jsonrpc":"2.0",' }),
      { status: 400, code: -32700, says: /not valid JSON.*character 17/, id: null },
    ],
    [
      'with no body',
      () => ({ headers: plain, body: '' }),
      { status: 400, code: -32700, says: /not valid JSON/ },
    ],
    [
      'with spaces only',
      () => ({ headers: plain, body: ' \n ' }),
      { status: 400, code: -32700, says: /not valid JSON/ },
    ],
    [
      'with something behind the message',
      () => ({ headers: plain, body: `${request()} x` }),
      { status: 400, code: -32700, says: /not valid JSON/ },
    ],
    [
      'with bytes that are no UTF-8',
      () => ({ headers: plain, body: Uint8Array.from([0x22, 0xc3, 0x28, 0x22]) }),
      { status: 400, code: -32700, says: /UTF-8/ },
    ],
    [
      'with a byte order mark',
      () => ({ headers: plain, body: `\uFEFF${request()}` }),
      { status: 400, code: -32700, says: /not valid JSON/ },
    ],
    [
      'with a text',
      () => ({ headers: plain, body: '"hello"' }),
      { status: 400, code: -32600, says: /Not a JSON-RPC message/ },
    ],
    [
      'with null',
      () => ({ headers: plain, body: 'null' }),
      { status: 400, code: -32600, says: /Not a JSON-RPC message/ },
    ],
    [
      'with a batch',
      () => ({ headers: plain, body: `[${request()},${request()}]` }),
      { status: 400, code: -32600, says: /Batches are not served here; send one message/ },
    ],
    [
      'with an empty batch',
      () => ({ headers: plain, body: '[]' }),
      { status: 400, code: -32600, says: /Batches/ },
    ],
    [
      'with a member twice',
      () => ({ headers: plain, body: '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}' }),
      { status: 400, code: -32600, says: /"method"/ },
    ],
    [
      'with a parameter twice',
      () => ({
        headers: inSession(),
        body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}',
      }),
      { status: 400, code: -32600, says: /ambiguous.*"name"/ },
    ],
    [
      'with a member in other letters',
      () => ({ headers: plain, body: '{"jsonrpc":"2.0","id":1,"Method":"ping"}' }),
      { status: 400, code: -32600, says: /lower case/ },
    ],
    [
      'without jsonrpc',
      () => ({ headers: plain, body: '{"id":1,"method":"ping"}' }),
      { status: 400, code: -32600, says: /"jsonrpc": "2\.0"/ },
    ],
    [
      'of another version of JSON-RPC',
      () => ({ headers: plain, body: request({ jsonrpc: '1.0' }) }),
      { status: 400, code: -32600, says: /"jsonrpc": "2\.0"/ },
    ],
    [
      'with the id null',
      () => ({ headers: plain, body: request({ id: null }) }),
      { status: 400, code: -32600, says: /"id" is a string or an integer/ },
    ],
    [
      'with a fraction as id',
      () => ({ headers: plain, body: request({ id: 1.5 }) }),
      { status: 400, code: -32600, says: /"id" is a string or an integer/ },
    ],
    [
      'with a list as id',
      () => ({ headers: plain, body: request({ id: [1] }) }),
      { status: 400, code: -32600, says: /"id"/ },
    ],
    [
      'with an endless id',
      () => ({ headers: plain, body: request({ id: 'x'.repeat(2_000) }) }),
      { status: 400, code: -32600, says: /at most 1,024/ },
    ],
    [
      'with a number as method',
      () => ({ headers: plain, body: request({ method: 7 }) }),
      { status: 400, code: -32600, says: /"method" is a string/ },
    ],
    [
      'with an empty method',
      () => ({ headers: plain, body: request({ method: '' }) }),
      { status: 400, code: -32600, says: /"method"/ },
    ],
    [
      'with params as a list',
      () => ({ headers: inSession(), body: request({ params: [1] }) }),
      { status: 400, code: -32602, says: /positional/ },
    ],
    [
      'with params as text',
      () => ({ headers: inSession(), body: request({ params: 'x' }) }),
      { status: 400, code: -32602, says: /"params" is an object/ },
    ],
    [
      'with _meta as text',
      () => ({ headers: inSession(), body: request({ params: { _meta: 'x' } }) }),
      { status: 400, code: -32602, says: /"_meta" is an object/ },
    ],
    [
      'that is request and response',
      () => ({ headers: plain, body: request({ result: {} }) }),
      { status: 400, code: -32600, says: /not both/ },
    ],
    [
      'with nothing in it',
      () => ({ headers: plain, body: '{"jsonrpc":"2.0"}' }),
      { status: 400, code: -32600, says: /"method"/ },
    ],
    [
      'without a content type',
      () => ({ headers: [both, key], body: request() }),
      { status: 415, code: -32600, says: /send application\/json/ },
    ],
    [
      'with text',
      () => ({ headers: [both, key, ['content-type', 'text/plain']], body: request() }),
      { status: 415, code: -32600, says: /"text\/plain"; send application\/json/ },
    ],
    [
      'with a form',
      () => ({ headers: [both, key, ['content-type', 'application/x-www-form-urlencoded']], body: 'a=b' }),
      { status: 415, code: -32600, says: /send application\/json/ },
    ],
    [
      'that accepts no JSON',
      () => ({ headers: [json, key, ['accept', 'text/html']], body: request() }),
      {
        status: 406,
        code: -32600,
        says: /Accept is "text\/html"; list application\/json and text\/event-stream/,
      },
    ],
    [
      'that is too large, and says so',
      () => ({ headers: [...plain, ['content-length', '10000000']], body: '{' }),
      { status: 413, code: -32600, says: /larger than 65536 bytes/ },
    ],
    [
      'of a legacy client without a session',
      () => ({ headers: [...plain, version], body: request() }),
      { status: 400, code: -32600, says: /Mcp-Session-Id is missing; send initialize first/, id: 1 },
    ],
    [
      'with a session that nobody knows',
      () => ({ headers: [...plain, version, ['mcp-session-id', 'x']], body: request({ id: 'a' }) }),
      { status: 404, code: -32600, says: /not known \(any more\); send initialize again/, id: 'a' },
    ],
    [
      'with a session twice',
      () => ({ headers: [...inSession(), session()], body: request() }),
      { status: 400, code: -32600, says: /mcp-session-id was sent more than once/ },
    ],
    [
      'with a version that nobody knows',
      () => ({ headers: [...plain, session(), ['mcp-protocol-version', '1999-01-01']], body: request() }),
      {
        status: 400,
        code: -32022,
        says: /"1999-01-01" is not served here; supported: 2026-07-28, 2025-11-25/,
        id: 1,
      },
    ],
    [
      'to initialize without a version',
      () => ({ headers: plain, body: request({ method: 'initialize', params: {} }) }),
      { status: 200, code: -32602, says: /initialize needs params\.protocolVersion/, id: 1 },
    ],
    [
      'of a modern client without an envelope',
      () => ({ headers: modern(), body: request() }),
      {
        status: 400,
        code: -32602,
        says: /params\._meta needs "io.modelcontextprotocol\/protocolVersion"/,
        id: 1,
      },
    ],
    [
      'of a modern client without capabilities',
      () => ({
        headers: modern(),
        body: request({ params: { _meta: { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' } } }),
      }),
      { status: 400, code: -32602, says: /clientCapabilities/ },
    ],
    [
      'of a modern client without its headers',
      () => ({ headers: plain, body: request({ params: { _meta: envelope } }) }),
      { status: 400, code: -32020, says: /MCP-Protocol-Version is missing/, id: 1 },
    ],
    [
      'of a modern client with the method of another request',
      () => ({ headers: modern('tools/call'), body: request({ params: { _meta: envelope } }) }),
      { status: 400, code: -32020, says: /Mcp-Method is "tools\/call", the body says "tools\/list"/ },
    ],
    [
      'of a modern client with the name of another tool',
      () => ({
        headers: [...modern('tools/call'), ['mcp-name', 'a']],
        body: request({ method: 'tools/call', params: { name: 'b', _meta: envelope } }),
      }),
      { status: 400, code: -32020, says: /Mcp-Name is "a", params\.name says "b"/ },
    ],
    [
      'of a client of the future',
      () => ({
        headers: [...plain, ['mcp-protocol-version', '2999-01-01'], ['mcp-method', 'tools/list']],
        body: request({
          params: { _meta: { ...envelope, 'io.modelcontextprotocol/protocolVersion': '2999-01-01' } },
        }),
      }),
      { status: 400, code: -32022, says: /supported: 2026-07-28\./ },
    ],
    [
      'of a modern client that pings',
      () => ({ headers: modern('ping'), body: request({ method: 'ping', params: { _meta: envelope } }) }),
      { status: 404, code: -32601, says: /"ping" is not served here/, id: 1 },
    ],
    [
      'of a modern client for an unknown method',
      () => ({ headers: modern('x/y'), body: request({ method: 'x/y', params: { _meta: envelope } }) }),
      { status: 404, code: -32601, says: /"x\/y" is not served here/ },
    ],
    [
      'of a modern client that listens to nothing',
      () => ({
        headers: modern('subscriptions/listen'),
        body: request({ method: 'subscriptions/listen', params: { _meta: envelope } }),
      }),
      { status: 400, code: -32602, says: /params\.notifications is an object/ },
    ],
    [
      'of a modern client that listens and takes no stream',
      () => ({
        headers: [json, key, ['accept', 'application/json'], ...modern('subscriptions/listen').slice(3)],
        body: request({ method: 'subscriptions/listen', params: { notifications: {}, _meta: envelope } }),
      }),
      { status: 406, code: -32600, says: /text\/event-stream/, id: 1 },
    ],
    [
      'of a legacy client for an unknown method',
      () => ({ headers: inSession(), body: request({ method: 'x/y' }) }),
      { status: 200, code: -32601, says: /"x\/y" is not served here/, id: 1 },
    ],
    [
      'of a legacy client for a method of the other era',
      () => ({ headers: inSession(), body: request({ method: 'server/discover' }) }),
      { status: 200, code: -32601, says: /"server\/discover"/ },
    ],
    [
      'that subscribes to a resource of a server without subscriptions',
      () => ({
        headers: inSession(),
        body: request({ method: 'resources/subscribe', params: { uri: 'mcp://files/x' } }),
      }),
      { status: 200, code: -32602, says: /does not report changes/ },
    ],
    [
      'for a tool without a name',
      () => ({ headers: inSession(), body: request({ method: 'tools/call' }) }),
      { status: 200, code: -32602, says: /params\.name is missing/ },
    ],
    [
      'for a tool of nobody',
      () => ({ headers: inSession(), body: request({ method: 'tools/call', params: { name: 'read' } }) }),
      { status: 200, code: -32602, says: /Unknown name "read"; names here are "mcp\.<server>\.<tool>"/ },
    ],
    [
      'for a resource of nobody',
      () => ({
        headers: inSession(),
        body: request({ method: 'resources/read', params: { uri: 'file:///etc/passwd' } }),
      }),
      { status: 200, code: -32602, says: /belongs to no server here/ },
    ],
    [
      'without a key',
      () => ({ headers: [json, both], body: request() }),
      { status: 401, code: -31001, says: /An API key is needed/ },
    ],
    [
      'with a key that nobody knows',
      () => ({ headers: [json, both, ['x-api-key', 'wrong']], body: request() }),
      { status: 401, code: -31001, says: /not known here/ },
    ],
    [
      'with a key twice',
      () => ({ headers: [...plain, key], body: request() }),
      { status: 400, code: -32600, says: /authorization was sent more than once/ },
    ],
    [
      'with X-Api-Key twice',
      () => ({ headers: [json, both, ['x-api-key', keys.alice], ['X-API-Key', keys.bob]], body: request() }),
      { status: 400, code: -32600, says: /x-api-key was sent more than once/ },
    ],
    [
      'with a key that has not the scope',
      () => ({ headers: [json, both, ['x-api-key', keys.admin]], body: request() }),
      { status: 403, code: -31003, says: /not the scope "mcp"; it has: admin/ },
    ],
  ];
  for (const [name, what, expected] of cases) {
    it(`${name} is answered ${expected.status} with ${expected.code}`, async () => {
      judge(await probe(`${gateway.url}/mcp`, what()), expected);
    });
  }

  it('with a key that is not known says how to prove who one is', async () => {
    const response = await probe(`${gateway.url}/mcp`, { headers: [json, both], body: request() });
    assert.equal(response.header('www-authenticate'), 'Bearer realm="cruvero-mcp"');
  });
});
