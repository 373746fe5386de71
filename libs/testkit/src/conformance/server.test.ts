/** The conformance server as callers of both eras see it. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { isJsonObject, parseJsonObject, type JsonObject } from '@cruvero/core';
import { startConformanceServer, type ConformanceServer } from './server.ts';
import { stdioConformance } from './stdio-programs.ts';

const version = '2026-07-28';
const tasks = { extensions: { 'io.modelcontextprotocol/tasks': {} } };
const envelope = (capabilities: JsonObject): JsonObject => ({
  'io.modelcontextprotocol/protocolVersion': version,
  'io.modelcontextprotocol/clientCapabilities': capabilities,
});

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly messages: readonly JsonObject[];
}

async function post(url: string, message: JsonObject, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: response.status, headers: response.headers, messages: messagesIn(await response.text()) };
}

const messagesIn = (text: string): readonly JsonObject[] =>
  (text.startsWith('{') ? [text] : text.split('\n').map((line) => line.replace(/^data: /, '')))
    .map(parseJsonObject)
    .filter((message) => message !== undefined);

function modern(url: string, method: string, params: JsonObject, capabilities = {}): Promise<Answer> {
  const name = params['name'] ?? params['taskId'];
  return post(
    url,
    { id: 1, method, params: { ...params, _meta: envelope(capabilities) } },
    {
      'mcp-protocol-version': version,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
  );
}

const resultOf = ({ messages }: Answer): JsonObject => object(messages.at(-1)?.['result']);
const errorOf = ({ messages }: Answer): JsonObject => object(messages.at(-1)?.['error']);
const object = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});

/** Headers of a session whose client can be asked. */
async function session({ url }: ConformanceServer): Promise<Record<string, string>> {
  const params = {
    protocolVersion: '2025-11-25',
    capabilities: { elicitation: {} },
    clientInfo: { name: 'test', version: '1' },
  };
  const { headers } = await post(url, { id: 1, method: 'initialize', params });
  const own = {
    'mcp-session-id': headers.get('mcp-session-id') ?? '',
    'mcp-protocol-version': '2025-11-25',
  };
  await post(url, { method: 'notifications/initialized' }, own);
  return own;
}

describe('a conformance server for both eras', () => {
  it('asks a modern caller by its result and goes on with the answer', async () => {
    await using server = await startConformanceServer({ eras: 'both' });
    const call = { name: 'test_input_required_result_multi_round', arguments: {} };
    const capabilities = { elicitation: {} };
    const accept = (content: JsonObject): JsonObject => ({ action: 'accept', content });
    const first = resultOf(await modern(server.url, 'tools/call', call, capabilities));
    assert.equal(first['resultType'], 'input_required');
    const inputResponses = { step1: accept({ name: 'Ada' }) };
    const { requestState } = first;
    const second = resultOf(
      await modern(server.url, 'tools/call', { ...call, inputResponses, requestState }, capabilities),
    );
    assert.deepEqual(Object.keys(object(second['inputRequests'])), ['step2']);
    const answered = {
      inputResponses: { step2: accept({ color: 'blue' }) },
      requestState: second['requestState'],
    };
    const third = resultOf(await modern(server.url, 'tools/call', { ...call, ...answered }, capabilities));
    assert.deepEqual(third['content'], [{ type: 'text', text: 'Ada likes blue.' }]);
  });

  it('refuses a state that was given out for another tool', async () => {
    await using server = await startConformanceServer({ eras: 'both' });
    const capabilities = { elicitation: {} };
    const first = await modern(
      server.url,
      'tools/call',
      { name: 'test_input_required_result_request_state', arguments: {} },
      capabilities,
    );
    const { requestState } = resultOf(first);
    assert.equal(typeof requestState, 'string');
    const params = { name: 'test_input_required_result_tampered_state', arguments: {}, requestState };
    const refused = await modern(server.url, 'tools/call', params, capabilities);
    assert.equal(errorOf(refused)['code'], -32602);
  });

  it('asks a legacy session by a request on the stream of the call', async () => {
    await using server = await startConformanceServer({ eras: 'both' });
    const own = await session(server);
    assert.equal(server.sessionCount(), 1);
    const response = await fetch(server.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...own,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 7,
        method: 'tools/call',
        params: { name: 'test_elicitation', arguments: { message: 'Who?' } },
      }),
    });
    let seen = '';
    for await (const piece of (response.body ?? assert.fail()).pipeThrough(new TextDecoderStream())) {
      seen += piece;
      const asked = messagesIn(seen).find(({ method }) => method === 'elicitation/create');
      if (!asked || messagesIn(seen).length > 1) continue;
      const result = { action: 'accept', content: { username: 'ada', email: 'ada@example.test' } };
      assert.equal((await post(server.url, { id: asked['id'] ?? null, result }, own)).status, 202);
    }
    assert.match(seen, /^id: /m);
    const answer = messagesIn(seen).find(({ id }) => id === 7);
    assert.match(JSON.stringify(answer), /User response: action=accept/);
  });

  it('forgets a session that its client ends', async () => {
    await using server = await startConformanceServer({ eras: 'both' });
    const own = await session(server);
    assert.equal((await fetch(server.url, { method: 'DELETE', headers: own })).status, 200);
    assert.equal((await post(server.url, { id: 2, method: 'tools/list' }, own)).status, 404);
  });

  it('turns away a Host that is not this machine', async () => {
    await using server = await startConformanceServer({ eras: 'both' });
    const sent = httpRequest(server.url, { method: 'POST', headers: { host: 'evil.example.com' } }).end('{}');
    const [{ statusCode }] = (await once(sent, 'response')) as [{ readonly statusCode: number }];
    assert.equal(statusCode, 403);
  });
});

describe('a modern conformance server', () => {
  it('tells a subscriber how its task goes on', async () => {
    await using server = await startConformanceServer({ eras: 'modern' });
    const call = { name: 'slow_compute', arguments: { seconds: 60 } };
    const { taskId, resultType } = resultOf(await modern(server.url, 'tools/call', call, tasks));
    assert.equal(resultType, 'task');
    const stream = await fetch(server.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': version,
        'mcp-method': 'subscriptions/listen',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 'mine',
        method: 'subscriptions/listen',
        params: { notifications: { taskIds: [taskId] }, _meta: envelope(tasks) },
      }),
    });
    let seen = '';
    for await (const piece of (stream.body ?? assert.fail()).pipeThrough(new TextDecoderStream())) {
      seen += piece;
      if (seen.includes('notifications/tasks')) break;
      await modern(server.url, 'tasks/cancel', { taskId: taskId ?? null }, tasks);
    }
    const [acknowledged, told] = messagesIn(seen).map(({ params }) => object(params));
    assert.deepEqual(acknowledged?.['notifications'], { taskIds: [taskId] });
    assert.equal(told?.['status'], 'cancelled');
    assert.deepEqual(told['_meta'], { 'io.modelcontextprotocol/subscriptionId': 'mine' });
  });

  it('knows nothing of sessions, and answers 404 to a method of the other era', async () => {
    await using server = await startConformanceServer({ eras: 'modern' });
    assert.equal((await fetch(server.url)).status, 405);
    const { status, messages } = await modern(server.url, 'logging/setLevel', { level: 'info' });
    assert.equal(status, 404);
    assert.equal(object(messages[0]?.['error'])['code'], -32601);
  });
});

describe('a legacy conformance server', () => {
  it('rejects an envelope as a session that it does not know', async () => {
    await using server = await startConformanceServer({ eras: 'legacy' });
    const { status } = await modern(server.url, 'tools/list', {});
    assert.equal(status, 400);
  });

  it('names its message endpoint over HTTP+SSE', async () => {
    await using server = await startConformanceServer({ eras: 'legacy', transport: 'sse' });
    const { body } = await fetch(server.url, { headers: { accept: 'text/event-stream' } });
    const reader = (body ?? assert.fail()).pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader.read();
    assert.match(value ?? '', /^event: endpoint\ndata: \/messages\?sessionId=/);
    await reader.cancel();
  });
});

describe('the conformance server over stdio', () => {
  for (const eras of ['legacy', 'modern'] as const) {
    it(`answers in the ${eras} era and ends with its input`, async () => {
      const { command, args } = stdioConformance(eras);
      const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const clientInfo = { name: 'test', version: '1' };
      const opening =
        eras === 'legacy'
          ? { method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } }
          : { method: 'server/discover', params: { _meta: envelope({}) } };
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, ...opening })}\n`);
      const { value } = (await lines.next()) as { readonly value: string };
      const { capabilities } = object(parseJsonObject(value)?.['result']);
      assert.equal('extensions' in object(capabilities), eras === 'modern');
      child.stdin.end();
      const [code] = (await once(child, 'close')) as [number | null];
      assert.equal(code, 0);
    });
  }
});
