/** HTTP+SSE (MCP 2024-11-05) over real HTTP: the stream, the session on it, what is told over it, and its end. */

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { isJsonObject, type JsonObject } from '@cruvero/core';
import {
  namedTool,
  probe,
  probeSse,
  SimClock,
  startConformanceServer,
  startDualServer,
  startLegacyServer,
  type ConformanceServer,
  type FixtureServer,
} from '@cruvero/testkit';
import { defaultBounds } from '@cruvero/upstream';
import { Client } from '../client.fixture.ts';
import { gate, type Gate } from '../gate.fixture.ts';
import { authPayload, keys, serverRow, stage, until, type Stage } from '../gateway.fixture.ts';
import { bearer, SseClient } from './sse-client.fixture.ts';

const resultOf = (answer: JsonObject): JsonObject => {
  const { result } = answer;
  assert.ok(isJsonObject(result), JSON.stringify(answer));
  return result;
};
const textOf = (answer: JsonObject): unknown => {
  const { content } = resultOf(answer);
  const first: unknown = Array.isArray(content) ? content[0] : undefined;
  return isJsonObject(first) ? first['text'] : undefined;
};

let server: FixtureServer;
let asking: ConformanceServer;
let modern: ConformanceServer;
let gateway: Stage;
let held: Gate;
before(async () => {
  held = gate();
  server = await startLegacyServer({ extraTools: [held.tool] });
  asking = await startConformanceServer({ eras: 'legacy' });
  modern = await startConformanceServer({ eras: 'modern' });
  gateway = await stage({
    servers: [
      { name: 'files', endpoint: server.url },
      { name: 'asking', endpoint: asking.url },
      { name: 'modern', endpoint: modern.url },
    ],
  });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
  await asking.close();
  await modern.close();
});

describe('the stream', () => {
  it('has its headers and an address to POST to at once, each an own one that nobody guesses', async () => {
    const addresses = new Set<string>();
    for (const path of ['/sse', '/sse?names=safe', '/servers/files/sse']) {
      await using stream = await probeSse(gateway.url + path, { headers: [bearer('alice')] });
      assert.equal(stream.header('content-type'), 'text/event-stream');
      assert.equal(stream.header('x-accel-buffering'), 'no');
      const event = await stream.next();
      assert.equal(event?.event, 'endpoint');
      assert.match(event?.data ?? '', /^\/messages\?sessionId=[A-Za-z0-9_-]{32}$/);
      addresses.add(event?.data ?? '');
    }
    assert.equal(addresses.size, 3);
  });

  it('of a client that says nothing of what it accepts opens too', async () => {
    const bytes = `GET /sse HTTP/1.1\r\nHost: ${new URL(gateway.url).host}\r\nX-Api-Key: ${keys.alice}\r\n\r\n`;
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    socket.write(bytes);
    await until(() => received.includes('event: endpoint'), 'the first event');
    socket.destroy();
  });

  it('has a place among all streams, and gives it back', async () => {
    await using own = await stage({ config: { streamsMax: 1 } });
    const client = await SseClient.open(own.url);
    const refused = await probe(`${own.url}/sse`, { headers: [bearer('alice')] });
    assert.equal(refused.status, 503);
    assert.equal(refused.header('retry-after'), '5');
    client.stream.close();
    await until(() => own.telemetry.gauge('mcpgw_streams') === 0, 'the end of the first');
    await using again = await SseClient.open(own.url);
    await again.initialize();
  });
});

describe('a session', () => {
  for (const version of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']) {
    it(`of ${version} is opened by initialize and answered over the stream`, async () => {
      await using client = await SseClient.open(gateway.url);
      const face = resultOf(await client.initialize(version));
      assert.equal(face['protocolVersion'], version);
      assert.deepEqual(face['serverInfo'], {
        name: 'cruvero-mcp',
        title: 'Cruvero MCP gateway',
        version: '0.0.0-test',
      });
      assert.equal(
        textOf(await client.ask(1, 'tools/call', { name: 'mcp.files.echo', arguments: { text: 'x' } })),
        'x',
      );
    });
  }

  it('at each door has what is behind that door, under its names', async () => {
    const doors = [
      ['/sse', 'mcp.files.echo'],
      ['/sse?names=safe', 'files__echo'],
      ['/servers/files/sse', 'echo'],
    ] as const;
    for (const [path, name] of doors) {
      await using client = await SseClient.open(gateway.url, path);
      await client.initialize();
      const { tools } = resultOf(await client.ask(1, 'tools/list'));
      assert.ok(
        Array.isArray(tools) && tools.some((tool) => isJsonObject(tool) && tool['name'] === name),
        path,
      );
      assert.equal(textOf(await client.ask(2, 'tools/call', { name, arguments: { text: path } })), path);
    }
  });

  it('at a virtual server has its selection', async () => {
    const members = [{ server: 'files', tools: ['echo'] }];
    const virtuals = [{ tenant_id: 'default', name: 'desk', names: 'bare', members }];
    const servers = [serverRow({ name: 'files', endpoint: server.url })];
    await using own = await stage();
    await own.configure('servers', { version: 100, servers, virtual_servers: virtuals });
    assert.ok(await own.gateway.ready([], 5_000));
    await using client = await SseClient.open(own.url, '/virtual/desk/sse');
    const face = resultOf(await client.initialize());
    assert.equal((face['serverInfo'] as JsonObject)['name'], 'desk');
    const { tools } = resultOf(await client.ask(1, 'tools/list'));
    assert.equal((tools as readonly unknown[]).length, 1);
  });

  it('answers ping before it is there, and everything else by where to begin', async () => {
    await using client = await SseClient.open(gateway.url);
    assert.deepEqual(resultOf(await client.ask(1, 'ping')), {});
    const early = await client.request(2, 'tools/list');
    assert.equal(early.status, 400);
    assert.match(early.body, /"id":2,.*Send initialize first/);
    const stray = await client.post({ jsonrpc: '2.0', id: 'q', result: {} });
    assert.match(stray.body, /Nothing was asked on this connection/);
  });

  it('is opened once, and again only where opening failed', async () => {
    await using client = await SseClient.open(gateway.url);
    const failed = await client.ask(1, 'initialize', {});
    assert.match(JSON.stringify(failed['error']), /needs params.protocolVersion/);
    await client.initialize();
    const twice = await client.request(3, 'initialize', { protocolVersion: '2024-11-05' });
    assert.equal(twice.status, 400);
    assert.match(twice.body, /initialize was sent before/);
  });

  it('keeps two answers apart that were asked for together, and big numbers to the letter', async () => {
    await using client = await SseClient.open(gateway.url, '/servers/files/sse');
    await client.initialize();
    await client.call('slow', 'slow', { ms: 50 });
    await client.post('{"jsonrpc":"2.0","id":12345678901234567890,\n"method":"ping"}');
    await until(
      () => client.stream.received.includes('"id":12345678901234567890,"result":{}'),
      'the second answer',
    );
    assert.equal(textOf(await client.answer('slow')), 'waited 50 ms');
  });

  it('refuses an id in use at once, so that its answer is not taken for the other’s', async () => {
    await using client = await SseClient.open(gateway.url);
    await client.initialize();
    await client.call('busy', 'mcp.files.gate');
    await until(() => held.waiting() === 1, 'the call');
    const refused = await client.request('busy', 'ping');
    assert.equal(refused.status, 400);
    assert.match(refused.body, /is in use by a request that is still running/);
    held.open();
    assert.equal(textOf(await client.answer('busy')), 'open');
  });

  it('has a bound of requests under way', async () => {
    await using client = await SseClient.open(gateway.url);
    await client.initialize();
    const statuses: number[] = [];
    for (let id = 0; id < 257; id += 1) statuses.push((await client.call(id, 'mcp.files.gate')).status);
    assert.equal(statuses.filter((status) => status === 202).length, 256);
    assert.equal(statuses.at(-1), 503);
    held.open();
  });
});

describe('over the stream', () => {
  it('come progress and log messages of a call, before its answer', async () => {
    await using client = await SseClient.open(gateway.url);
    await client.initialize();
    await client.call('p', 'mcp.files.slow', { ms: 20, steps: 2 }, { progressToken: 'mine' });
    assert.equal(textOf(await client.answer('p')), 'waited 20 ms');
    const tokens = client.seen.map(({ params }) => isJsonObject(params) && params['progressToken']);
    assert.deepEqual(tokens, ['mine', 'mine']);
    assert.deepEqual(resultOf(await client.ask('l', 'logging/setLevel', { level: 'debug' })), {});
    await client.call('log', 'mcp.asking.test_tool_with_logging');
    await client.note('notifications/message');
    await client.answer('log');
  });

  for (const name of ['asking', 'modern'] as const) {
    it(`come questions of a ${name === 'modern' ? 'modern' : 'legacy'} server, answered by POST`, async () => {
      await using client = await SseClient.open(gateway.url);
      await client.initialize('2024-11-05', { sampling: {} });
      await client.call('s', `mcp.${name}.test_sampling`, { prompt: 'How many?' });
      const question = await client.note('sampling/createMessage');
      const result = { role: 'assistant', model: 'test', content: { type: 'text', text: 'seven' } };
      const answered = await client.post({ jsonrpc: '2.0', id: question['id'] ?? null, result });
      assert.equal(answered.status, 202);
      assert.equal(textOf(await client.answer('s')), 'LLM response: seven');
    });
  }

  it('comes no question that the client did not declare to answer', async () => {
    await using client = await SseClient.open(gateway.url);
    await client.initialize();
    const answer = await client.ask('s', 'tools/call', {
      name: 'mcp.asking.test_sampling',
      arguments: { prompt: 'How many?' },
    });
    assert.match(JSON.stringify(answer), /sampling/);
    assert.equal(client.seen.length, 0);
  });

  it('comes word of changed lists and of watched resources', async () => {
    await using client = await SseClient.open(gateway.url);
    await client.initialize();
    server.catalogue.addTool(namedTool('fresh'));
    await client.note('notifications/tools/list_changed');
    const uri = 'mcp://asking/test://watched-resource';
    assert.deepEqual(resultOf(await client.ask('w', 'resources/subscribe', { uri })), {});
    await client.ask('t', 'tools/call', { name: 'mcp.asking.test_trigger_resource_change', arguments: {} });
    const updated = await client.note('notifications/resources/updated');
    assert.deepEqual(updated['params'], { uri });
  });

  it('comes no answer to what was cancelled', async () => {
    await using client = await SseClient.open(gateway.url);
    await client.initialize();
    const aborted = server.catalogue.aborted;
    await client.call('stop', 'mcp.files.gate');
    await until(() => held.waiting() === 1, 'the call');
    await client.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'stop' } });
    await until(() => server.catalogue.aborted > aborted, 'the abort at the server');
    await client.ask('p', 'ping');
    assert.deepEqual(client.seen, []);
    held.open();
  });

  it('come keep-alives', async () => {
    const clock = new SimClock();
    await using own = await stage({ clock });
    await using client = await SseClient.open(own.url);
    const before = client.stream.received;
    await clock.advance(15_000);
    await until(() => client.stream.received === `${before}: keep-alive\n\n`, 'a comment');
  });

  it('come answers as long as any, one behind the other, though the client reads late', async () => {
    await using client = await SseClient.open(gateway.url);
    await client.initialize();
    for (const id of [1, 2, 3]) await client.call(id, 'mcp.files.big', { bytes: 3 << 20 });
    for (const id of [1, 2, 3]) assert.equal(String(textOf(await client.answer(id))).length, 3 << 20);
  });
});

describe('a session ends', () => {
  it('with its stream: its calls are aborted, its address is nobody’s', async () => {
    const client = await SseClient.open(gateway.url);
    await client.initialize();
    const aborted = server.catalogue.aborted;
    await client.call('c', 'mcp.files.gate');
    await until(() => held.waiting() === 1, 'the call');
    client.stream.close();
    await until(() => server.catalogue.aborted > aborted, 'the abort at the server');
    held.open();
    const late = await client.request(1, 'ping');
    assert.equal(late.status, 404);
    assert.match(late.body, /No stream of yours with this sessionId is open here.*open a new stream/);
  });

  it('where its client leaves before initialize is answered', async () => {
    await using own = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    const client = await SseClient.open(own.url, '/servers/files/sse');
    const init = client.request(1, 'initialize', { protocolVersion: '2024-11-05' });
    client.stream.close();
    await init.catch(() => undefined);
    await until(() => own.telemetry.gauge('mcpgw_streams') === 0, 'no stream');
    await until(() => own.telemetry.gauge('mcpgw_sessions') === 0, 'no session');
  });

  it('at shutdown, and the gateway does not wait for its client', async () => {
    const own = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    const [begun, idle] = [await SseClient.open(own.url), await SseClient.open(own.url)];
    await begun.initialize();
    await own[Symbol.asyncDispose]();
    await begun.ended();
    await idle.ended();
  });

  it('not by its age as long as its key is good; a stream without a session does', async () => {
    const clock = new SimClock();
    await using own = await stage({ clock, config: { streamAgeMs: 60_000, sessionIdleMs: 120_000 } });
    const [begun, idle] = [await SseClient.open(own.url), await SseClient.open(own.url)];
    await begun.initialize();
    await clock.advance(61_000);
    await idle.ended();
    for (let n = 0; n < 20; n += 1) await clock.advance(15_000);
    assert.deepEqual(resultOf(await begun.ask(1, 'ping')), {});
    const { keys: rows, ...rest } = authPayload(2);
    const others = (rows as readonly JsonObject[]).filter((row) => row['principal'] !== 'alice');
    await own.configure('auth', { ...rest, keys: others });
    for (let n = 0; n < 5; n += 1) await clock.advance(15_000);
    await begun.ended();
  });

  it('by the bound of its principal', async () => {
    await using own = await stage({ config: { sessionsPerPrincipalMax: 1 } });
    const first = await SseClient.open(own.url);
    await first.initialize();
    await using second = await SseClient.open(own.url);
    await second.initialize();
    await first.ended();
    assert.equal((await first.request(1, 'ping')).status, 404);
    assert.deepEqual(resultOf(await second.ask(1, 'ping')), {});
  });
});

describe('a client that does not read', () => {
  it('has a bounded amount kept for it, then its stream is closed', async () => {
    await using own = await stage({
      servers: [{ name: 'files', endpoint: server.url }],
      config: { link: { ...defaultBounds, timeoutMs: 5_000, answerBytesMax: 4 << 20 } },
    });
    const { port, host } = new URL(own.url);
    const socket = connect(Number(port), '127.0.0.1');
    let received = '';
    socket.on('data', (chunk) => (received += String(chunk)));
    socket.write(`GET /sse HTTP/1.1\r\nHost: ${host}\r\nX-Api-Key: ${keys.alice}\r\n\r\n`);
    await until(() => received.includes('sessionId='), 'the address');
    const address = /\/messages\?sessionId=[A-Za-z0-9_-]+/.exec(received)?.[0] ?? '';
    const post = (body: JsonObject) =>
      probe(own.url + address, {
        headers: [['content-type', 'application/json'], bearer('alice')],
        body: JSON.stringify({ jsonrpc: '2.0', ...body }),
      });
    const clientInfo = { name: 'late', version: '1' };
    const asked = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo };
    await post({ id: 0, method: 'initialize', params: asked });
    await until(() => received.includes('"id":0,"result"'), 'the session');
    socket.pause();
    const params = { name: 'mcp.files.big', arguments: { bytes: 3 << 20 } };
    for (let id = 1; id <= 10; id += 1) await post({ id, method: 'tools/call', params });
    await until(() => own.telemetry.gauge('mcpgw_streams') === 0, 'the end of the stream');
    assert.equal((await post({ id: 11, method: 'ping' })).status, 404);
    socket.destroy();
  });
});

describe('beside it', () => {
  it('a client that tries Streamable HTTP there first learns to GET', async () => {
    const response = await probe(`${gateway.url}/sse`, {
      headers: [['content-type', 'application/json'], bearer('alice')],
      body: '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}',
    });
    assert.equal(response.status, 405);
    assert.equal(response.header('allow'), 'GET');
  });

  it('other clients are told nothing of its session, and use none of it', async () => {
    await using dual = await startDualServer();
    await using own = await stage({ servers: [{ name: 'files', endpoint: dual.url }] });
    await using client = await SseClient.open(own.url);
    await client.initialize();
    const id = new URL(client.url).searchParams.get('sessionId') ?? '';
    const legacy = new Client('legacy', `${own.url}/mcp`, keys.alice);
    legacy.session = id;
    assert.equal((await legacy.call('ping')).status, 404);
  });
});
