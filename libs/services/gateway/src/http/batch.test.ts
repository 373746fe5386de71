/** Batches over HTTP: who may send them, how each message is judged and run by itself, and how the answers come. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import {
  probe,
  probeSse,
  startConformanceServer,
  startLegacyServer,
  type ConformanceServer,
  type FixtureServer,
  type ProbeResponse,
  type SseProbe,
} from '@cruvero/testkit';
import { defaultBounds } from '@cruvero/upstream';
import { gate, type Gate } from '../gate.fixture.ts';
import { keys, profileRow, stage, until, type Stage } from '../gateway.fixture.ts';
import { both, json, judge, key, modern, plain, request, version } from './judge.fixture.ts';

type Header = readonly [string, string];

const initialize = (protocolVersion: string, capabilities: JsonObject = {}): string =>
  request({
    method: 'initialize',
    params: { protocolVersion, capabilities, clientInfo: { name: 'test', version: '1' } },
  });
const call = (id: Json, tool: string, args: JsonObject = {}, meta?: JsonObject): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: tool, arguments: args, ...(meta ? { _meta: meta } : {}) },
});
const ping = (id: Json): JsonObject => ({ jsonrpc: '2.0', id, method: 'ping' });
const cancelled = (requestId: Json): JsonObject => ({
  jsonrpc: '2.0',
  method: 'notifications/cancelled',
  params: { requestId },
});

async function sessionAt(
  gateway: Stage,
  protocolVersion: string,
  capabilities?: JsonObject,
  own = key,
): Promise<Header> {
  const opened = await probe(`${gateway.url}/mcp`, {
    headers: [json, both, own],
    body: initialize(protocolVersion, capabilities),
  });
  return ['mcp-session-id', opened.header('mcp-session-id') ?? assert.fail(opened.body)];
}

const send = (
  gateway: Stage,
  body: string | readonly Json[],
  headers: readonly Header[],
): Promise<ProbeResponse> =>
  probe(`${gateway.url}/mcp`, {
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    timeoutMs: 20_000,
  });

const answersOf = (response: ProbeResponse): readonly JsonObject[] => {
  const body = response.json();
  assert.ok(Array.isArray(body), response.body);
  return body as readonly JsonObject[];
};
const textOf = (answer: JsonObject | undefined): unknown => {
  const result = answer?.['result'];
  const content = isJsonObject(result) ? result['content'] : undefined;
  const first: unknown = Array.isArray(content) ? content[0] : undefined;
  return isJsonObject(first) ? first['text'] : JSON.stringify(answer);
};
const errorOf = (answer: JsonObject | undefined): { readonly code: number; readonly message: string } =>
  (answer?.['error'] ?? assert.fail(JSON.stringify(answer))) as { code: number; message: string };

/** Reads events up to the end of the stream. */
async function allOf(stream: SseProbe): Promise<readonly JsonObject[]> {
  const messages: JsonObject[] = [];
  for (;;) {
    const event = await stream.next();
    if (!event) return messages;
    messages.push(JSON.parse(event.data) as JsonObject);
  }
}

let server: FixtureServer;
let asking: ConformanceServer;
let gateway: Stage;
let held: Gate;
let session: Header;
const jsonOnly: Header = ['accept', 'application/json'];
before(async () => {
  held = gate();
  server = await startLegacyServer({ extraTools: [held.tool] });
  asking = await startConformanceServer({ eras: 'legacy' });
  gateway = await stage({
    servers: [
      { name: 'files', endpoint: server.url },
      { name: 'asking', endpoint: asking.url },
    ],
    profiles: [profileRow(), profileRow('strict', { rate_limit: 1, rate_burst: 2 })],
    config: { link: { ...defaultBounds, timeoutMs: 5_000, answerBytesMax: 100_000 } },
  });
  session = await sessionAt(gateway, '2025-03-26');
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
  await asking.close();
});

describe('a batch is refused', () => {
  const says =
    /^Batches are not served here; send one message in one request\. Only MCP 2025-03-26 knows them/;
  const refusals: readonly [string, () => Promise<readonly Header[]> | readonly Header[], RegExp][] = [
    ['without a session', () => plain, /in a session that initialize opened with it\.$/],
    [
      'in a session of 2024-11-05',
      async () => [...plain, await sessionAt(gateway, '2024-11-05')],
      /speaks 2024-11-05\.$/,
    ],
    [
      'in a session of 2025-06-18',
      async () => [...plain, await sessionAt(gateway, '2025-06-18')],
      /speaks 2025-06-18\.$/,
    ],
    [
      'in a session of 2025-11-25',
      async () => [...plain, version, await sessionAt(gateway, '2025-11-25')],
      /speaks 2025-11-25\.$/,
    ],
    ['of a modern client', () => modern('ping'), /in a session that/],
  ];
  for (const [name, headers, how] of refusals) {
    it(`${name}, with a sentence on who knows it`, async () => {
      const response = await send(gateway, [ping(1)], await headers());
      judge(response, { status: 400, code: -32600, says, id: null });
      judge(response, { status: 400, code: -32600, says: how });
    });
  }

  it('of a session that is not there, is somebody else’s, or has ended', async () => {
    const bobs = await sessionAt(gateway, '2025-03-26', {}, ['authorization', `Bearer ${keys.bob}`]);
    const ended = await sessionAt(gateway, '2025-03-26');
    await probe(`${gateway.url}/mcp`, { method: 'DELETE', headers: [key, ended] });
    for (const one of [bobs, ended, ['mcp-session-id', 'nobody'] as const]) {
      judge(await send(gateway, [ping(1)], [...plain, one]), {
        status: 404,
        code: -32600,
        says: /initialize again/,
      });
    }
  });

  const wholes: readonly [string, string, number, RegExp][] = [
    ['that is empty', '[ ]', -32600, /at least one message/],
    [
      'of 65 messages',
      JSON.stringify(Array.from({ length: 65 }, (_, id) => ping(id))),
      -32600,
      /at most 64 messages; this one has 65/,
    ],
    ['that is cut', `[${JSON.stringify(ping(1))},`, -32700, /not valid JSON/],
    ['with something behind it', `[${JSON.stringify(ping(1))}] 1`, -32700, /not valid JSON/],
    ['with an id twice', JSON.stringify([ping('a'), ping(1), ping('a')]), -32600, /The id "a" stands twice/],
    [
      'with an id twice, spelled in two ways',
      `[${JSON.stringify(ping('a'))},{"jsonrpc":"2.0","id":"\\u0061","method":"ping"}]`,
      -32600,
      /stands twice/,
    ],
    ['that is as deep as it is long', '['.repeat(10_000), -32700, /not valid JSON/],
  ];
  for (const [name, body, code, how] of wholes) {
    it(name, async () =>
      judge(await send(gateway, body, [...plain, session]), { status: 400, code, says: how, id: null }),
    );
  }
});

describe('a batch', () => {
  it('is answered as one array, each answer at its request’s place, ids letter by letter', async () => {
    const body = `[${JSON.stringify(call('b', 'mcp.files.echo', { text: 'one' }))},
      {"jsonrpc":"2.0","method":"notifications/initialized"},
      {"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"},
      {"jsonrpc":"2.0","id":"1","method":"ping"},{"jsonrpc":"2.0","id":1,"method":"tools/list"}]`;
    const response = await send(gateway, body, [...plain, session]);
    assert.equal(response.status, 200);
    assert.equal(response.header('content-type'), 'application/json');
    assert.match(response.body, /^\[\{"jsonrpc":"2.0","id":"b","result":\{/);
    assert.match(response.body, /\},\{"jsonrpc":"2.0","id":12345678901234567890,"result":\{\}\},/);
    const [first, , third, fourth] = answersOf(response);
    assert.equal(textOf(first), 'one');
    assert.deepEqual(third, { jsonrpc: '2.0', id: '1', result: {} });
    assert.match(JSON.stringify(fourth), /mcp\.files\.echo/);
    assert.equal(answersOf(response).length, 4);
  });

  it('of notifications and responses alone is accepted without an answer', async () => {
    const note = { jsonrpc: '2.0', method: 'notifications/initialized' };
    const stray = { jsonrpc: '2.0', id: 'q:gw:nobody', result: {} };
    const response = await send(gateway, [note, stray, cancelled(99)], [...plain, session]);
    assert.equal(response.status, 202);
    assert.equal(response.body, '');
  });

  it('has each bad message answered by an error, and the others served', async () => {
    const bads: readonly string[] = [
      '7',
      'null',
      '[]',
      '{"jsonrpc":"1.0","id":4,"method":"ping"}',
      '{"jsonrpc":"2.0","id":null,"method":"ping"}',
      '{"jsonrpc":"2.0","id":5,"method":"ping","Method":"tools/list"}',
      '{"jsonrpc":"2.0","id":6,"method":"ping","params":[]}',
      `{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}`,
      `{"jsonrpc":"2.0","id":8,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
      '{"jsonrpc":"2.0","id":9,"method":"no/such"}',
      '{"jsonrpc":"2.0","id":10,"method":"server/discover"}',
      '{"jsonrpc":"2.0","id":11,"method":"subscriptions/listen"}',
      '{"jsonrpc":"2.0","id":12,"method":"tools/call","params":{"name":"mcp.files.none"}}',
    ];
    const response = await send(gateway, `[${bads.join(',')},${JSON.stringify(ping('good'))}]`, [
      ...plain,
      session,
    ]);
    assert.equal(response.status, 200);
    const answers = answersOf(response);
    assert.deepEqual(
      answers.map((answer) => [
        answer['id'],
        isJsonObject(answer['error']) ? answer['error']['code'] : 'fine',
      ]),
      [
        [null, -32600],
        [null, -32600],
        [null, -32600],
        [null, -32600],
        [null, -32600],
        [null, -32600],
        [null, -32602],
        [7, -32600],
        [8, -32600],
        [9, -32601],
        [10, -32601],
        [11, -32601],
        [12, -32602],
        ['good', 'fine'],
      ],
    );
    assert.match(errorOf(answers[7]).message, /initialize is not part of a batch/);
    assert.match(errorOf(answers[8]).message, /carries no messages of MCP 2026-07-28/);
  });

  it('of nothing that could be served is a bad request, still with an answer for each', async () => {
    const response = await send(gateway, '[1,2,{}]', [...plain, session]);
    assert.equal(response.status, 400);
    assert.deepEqual(
      answersOf(response).map((answer) => errorOf(answer).code),
      [-32600, -32600, -32600],
    );
  });

  it('runs eight requests at a time, and the others as those end', async () => {
    const body = Array.from({ length: 12 }, (_, id) => call(id, 'mcp.files.gate'));
    const answered = send(gateway, body, [...plain, session]);
    await until(() => held.waiting() === 8, 'eight calls');
    // Whatever else came would have come by now: a request behind them is answered.
    assert.equal((await send(gateway, [ping('p')], [...plain, session])).status, 200);
    assert.equal(held.waiting(), 8);
    held.open();
    await until(() => held.waiting() === 4, 'the other four');
    held.open();
    const texts = answersOf(await answered).map(textOf);
    assert.deepEqual(
      texts,
      Array.from({ length: 12 }, () => 'open'),
    );
  });

  it('cannot use an id of a request that is running, and the running one is not disturbed', async () => {
    const running = send(gateway, JSON.stringify(call('busy', 'mcp.files.gate')), [...plain, session]);
    await until(() => held.waiting() === 1, 'the call');
    const [refused, fine] = answersOf(
      await send(gateway, [ping('busy'), ping('other')], [...plain, session]),
    );
    assert.match(errorOf(refused).message, /The id "busy" is in use/);
    assert.deepEqual(fine?.['result'], {});
    held.open();
    assert.equal((await running).status, 200);
  });

  it('counts each of its calls against the rate', async () => {
    const strict = ['authorization', `Bearer ${keys.strict}`] as const;
    const own = await sessionAt(gateway, '2025-03-26', {}, strict);
    const body = [1, 2, 3, 4].map((id) => call(id, 'mcp.files.echo', { text: 'x' }));
    const answers = answersOf(await send(gateway, body, [json, both, strict, own]));
    const refused = answers.filter((answer) => 'error' in answer).map((answer) => errorOf(answer).code);
    assert.deepEqual(refused, [-31029, -31029]);
  });
});

describe('cancelling inside a batch', () => {
  it('reaches a request that runs, by the batch that follows', async () => {
    const answered = send(gateway, [call('stop', 'mcp.files.gate'), ping('p')], [...plain, session]);
    await until(() => held.waiting() === 1, 'the call');
    const response = await send(gateway, [cancelled('stop')], [...plain, session]);
    assert.equal(response.status, 202);
    const [stopped, fine] = answersOf(await answered);
    assert.match(errorOf(stopped).message, /cancelled/);
    assert.deepEqual(fine?.['result'], {});
    held.open();
  });

  it('reaches a request that still waits for its turn, and it never leaves', async () => {
    const before = server.catalogue.executions.get('counted') ?? 0;
    const body = [
      ...Array.from({ length: 8 }, (_, id) => call(id, 'mcp.files.gate')),
      call('late', 'mcp.files.counted'),
    ];
    const answered = send(gateway, body, [...plain, session]);
    await until(() => held.waiting() === 8, 'eight calls');
    await send(gateway, JSON.stringify(cancelled('late')), [...plain, session]);
    held.open();
    assert.match(errorOf(answersOf(await answered)[8]).message, /cancelled/);
    assert.equal(server.catalogue.executions.get('counted') ?? 0, before);
  });

  it('reaches a request of the same batch', async () => {
    const body = [call('here', 'mcp.files.gate'), cancelled('here'), ping('p')];
    const [stopped, fine] = answersOf(await send(gateway, body, [...plain, session]));
    assert.match(errorOf(stopped).message, /cancelled/);
    assert.deepEqual(fine?.['result'], {});
  });

  it('happens to everything when the session ends', async () => {
    const own = await sessionAt(gateway, '2025-03-26');
    const body = Array.from({ length: 10 }, (_, id) => call(id, 'mcp.files.gate'));
    const answered = send(gateway, body, [...plain, own]);
    await until(() => held.waiting() === 8, 'eight calls');
    await probe(`${gateway.url}/mcp`, { method: 'DELETE', headers: [key, own] });
    assert.deepEqual(
      answersOf(await answered).map((answer) => errorOf(answer).code),
      Array.from({ length: 10 }, () => -31099),
    );
    held.open();
  });
});

describe('a batch as a stream', () => {
  it('begins where something comes before an answer, has each answer as an event, and ends behind the last', async () => {
    const body = JSON.stringify([
      call('slow', 'mcp.files.slow', { ms: 30, steps: 3 }, { progressToken: 'mine' }),
      ping('p'),
      call('e', 'mcp.files.echo', { text: 'said' }),
    ]);
    await using stream = await probeSse(`${gateway.url}/mcp`, {
      headers: [json, jsonOnly, key, session],
      body,
    });
    assert.equal(stream.status, 200);
    assert.equal(stream.header('content-type'), 'text/event-stream');
    assert.equal(stream.header('x-accel-buffering'), 'no');
    const messages = await allOf(stream);
    const progress = messages.filter((message) => message['method'] === 'notifications/progress');
    assert.ok(progress.length > 0);
    assert.ok(progress.every(({ params }) => isJsonObject(params) && params['progressToken'] === 'mine'));
    const answers = new Map(
      messages.filter((message) => 'id' in message).map((answer) => [answer['id'], answer]),
    );
    assert.deepEqual([...answers.keys()].sort(), ['e', 'p', 'slow']);
    assert.equal(textOf(answers.get('e')), 'said');
    assert.equal(textOf(answers.get('slow')), 'waited 30 ms');
    assert.equal(messages.at(-1)?.['id'], 'slow', 'the slowest comes last');
  });

  it('carries questions, which another POST or batch answers', async () => {
    const own = await sessionAt(gateway, '2025-03-26', { sampling: {} });
    const body = JSON.stringify([
      call('s', 'mcp.asking.test_sampling', { prompt: 'How many?' }),
      call('e', 'mcp.files.echo', { text: 'meanwhile' }),
    ]);
    await using stream = await probeSse(`${gateway.url}/mcp`, { headers: [json, jsonOnly, key, own], body });
    const seen: JsonObject[] = [];
    for (let n = 0; n < 3; n += 1) {
      const event = (await stream.next()) ?? assert.fail(`the stream ended behind ${JSON.stringify(seen)}`);
      const message = JSON.parse(event.data) as JsonObject;
      seen.push(message);
      if (message['method'] !== 'sampling/createMessage') continue;
      const content = { type: 'text', text: 'seven' };
      const result = { role: 'assistant', model: 'test', content };
      const answer = { jsonrpc: '2.0', id: message['id'] ?? null, result };
      assert.equal((await send(gateway, [answer], [...plain, own])).status, 202);
    }
    assert.equal(textOf(seen.find(({ id }) => id === 'e')), 'meanwhile');
    assert.equal(textOf(seen.find(({ id }) => id === 's')), 'LLM response: seven');
    assert.equal(await stream.next(), undefined);
  });

  it('is not there for a client that takes none: notifications are dropped, questions cannot be put', async () => {
    const own = await sessionAt(gateway, '2025-03-26', { sampling: {} });
    const body = [
      call('slow', 'mcp.files.slow', { ms: 10, steps: 2 }, { progressToken: 1 }),
      call('s', 'mcp.asking.test_sampling', { prompt: 'How many?' }),
    ];
    const response = await send(gateway, body, [json, jsonOnly, key, own]);
    assert.equal(response.header('content-type'), 'application/json');
    const [slow, unasked] = answersOf(response);
    assert.equal(textOf(slow), 'waited 10 ms');
    assert.match(JSON.stringify(unasked), /no stream open over which it could be asked/);
  });

  it('takes over where the answers are too many for one array', async () => {
    const bigs = Array.from({ length: 4 }, (_, id) => call(id, 'mcp.files.big', { bytes: 40_000 }));
    const whole = await send(gateway, bigs, [json, jsonOnly, key, session]);
    const codes = answersOf(whole).map((answer) => ('error' in answer ? errorOf(answer).message : 'fine'));
    assert.equal(codes.filter((code) => code === 'fine').length, 2);
    assert.equal(codes.filter((code) => /larger than 100000 bytes together/.test(code)).length, 2);
    await using stream = await probeSse(`${gateway.url}/mcp`, {
      headers: [json, jsonOnly, key, session],
      body: JSON.stringify(bigs),
    });
    const answers = await allOf(stream);
    assert.deepEqual(answers.map(({ id }) => id).sort(), [0, 1, 2, 3]);
    assert.ok(answers.every((answer) => String(textOf(answer)).length === 40_000));
  });

  it('whose client left is nobody’s, and the session lives on', async () => {
    const body = JSON.stringify([
      call('slow', 'mcp.files.slow', { ms: 1, steps: 1 }, { progressToken: 1 }),
      call('g', 'mcp.files.gate'),
    ]);
    const stream = await probeSse(`${gateway.url}/mcp`, { headers: [json, jsonOnly, key, session], body });
    await until(() => held.waiting() === 1, 'the call');
    stream.close();
    held.open();
    await until(() => held.waiting() === 0, 'the end of the call');
    assert.equal((await send(gateway, [ping(1)], [...plain, session])).status, 200);
  });
});
