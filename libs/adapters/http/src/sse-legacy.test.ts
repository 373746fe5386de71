/** The HTTP+SSE upstream: its port's contract, and what is special about this transport. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isUpstreamFault,
  UpstreamBroken,
  type Clock,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { upstreamContract } from '@cruvero/ports/contracts/upstream';
import {
  nobodysEndpoint,
  serveHttp,
  SimClock,
  startLegacySseServer,
  startScriptedSsePeer,
  type ScriptedSseOptions,
  type ScriptedSsePeer,
} from '@cruvero/testkit';
import { sseUpstream, type SseOptions } from './sse-legacy.ts';
import { streamableUpstream } from './streamable.ts';

/** Real time, for the contract: its servers are real too. */
const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
  every: (intervalMs, work) => {
    const timer = setInterval(work, intervalMs).unref();
    return { cancel: () => clearInterval(timer) };
  },
};

function open(clock: Clock, options: Partial<SseOptions> = {}): Upstream {
  const http = streamableUpstream();
  const sse = sseUpstream({ http, clock, ...options });
  return {
    exchange: (request) => sse.exchange(request),
    [Symbol.asyncDispose]: async () => {
      await sse[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
    },
  };
}

upstreamContract('sseUpstream', {
  open: async () => open(realClock),
  peer: (script) => startScriptedSsePeer(script),
  nobody: nobodysEndpoint,
});

upstreamContract('sseUpstream, answers before the POST is acknowledged', {
  open: async () => open(realClock),
  peer: (script) => startScriptedSsePeer(script, { answerFirst: true }),
  nobody: nobodysEndpoint,
});

type Sent = Partial<Omit<UpstreamRequest, 'body'>> & { readonly body?: object };

class Talk {
  readonly upstream: Upstream;
  readonly endpoint: string;
  session: string | undefined;

  constructor(upstream: Upstream, endpoint: string) {
    this.upstream = upstream;
    this.endpoint = endpoint;
  }

  send({ body, ...over }: Sent): Promise<UpstreamResponse | UpstreamFault> {
    const session = this.session === undefined ? {} : { 'mcp-session-id': this.session };
    return this.upstream.exchange({
      httpMethod: 'POST',
      endpoint: this.endpoint,
      headers: { 'content-type': 'application/json', authorization: 'Bearer upstream-own', ...session },
      signal: new AbortController().signal,
      timeoutMs: 5_000,
      bytesMax: 1_000_000,
      ...over,
      ...(body === undefined ? {} : { body: JSON.stringify({ jsonrpc: '2.0', ...body }) }),
    });
  }

  call(id: number | string, params: object = {}): Promise<UpstreamResponse | UpstreamFault> {
    return this.send({ body: { id, method: 'tools/call', params } });
  }
}

async function begin(upstream: Upstream, endpoint: string): Promise<Talk> {
  const talk = new Talk(upstream, endpoint);
  const answer = answered(await talk.send({ body: { id: 0, method: 'initialize', params: initialize } }));
  talk.session = answer.headers['mcp-session-id'];
  assert.match(talk.session ?? '', /^[0-9a-f-]{36}$/);
  return talk;
}

const initialize = {
  protocolVersion: '2024-11-05',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
};

function answered(value: UpstreamResponse | UpstreamFault): UpstreamResponse {
  assert.ok(!isUpstreamFault(value), `expected an answer, got ${JSON.stringify(value)}`);
  return value;
}

function text(value: UpstreamResponse | UpstreamFault): string {
  const { body } = answered(value);
  assert.ok(body.kind === 'text');
  return body.text;
}

function reading(value: UpstreamResponse | UpstreamFault): AsyncIterator<string> {
  const { body } = answered(value);
  assert.ok(body.kind === 'stream');
  return body.chunks[Symbol.asyncIterator]();
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!condition()) {
    assert.ok(performance.now() < endMs, 'the condition did not come about within 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const event = (message: object): string =>
  `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`;

interface Stage extends AsyncDisposable {
  readonly clock: SimClock;
  readonly upstream: Upstream;
  readonly peer: ScriptedSsePeer;
}

async function stage(
  does: 'echo' | 'silence' | 'break' = 'echo',
  peerOptions: ScriptedSseOptions = {},
  options: Partial<SseOptions> = {},
): Promise<Stage> {
  const clock = new SimClock();
  const upstream = open(clock, options);
  const peer = await startScriptedSsePeer({ does }, peerOptions);
  return {
    clock,
    upstream,
    peer,
    [Symbol.asyncDispose]: async () => {
      await upstream[Symbol.asyncDispose]();
      await peer[Symbol.asyncDispose]();
    },
  };
}

describe('sseUpstream holds sessions', () => {
  it('opens one stream for a session and ends it on DELETE; afterwards the session is unknown', async () => {
    await using s = await stage();
    const talk = await begin(s.upstream, s.peer.endpoint);
    assert.equal(s.peer.openStreams(), 1);
    assert.equal(
      text(await talk.call('a"b', { x: 1 })),
      '{"jsonrpc":"2.0","id":"a\\"b","result":{"echo":{"x":1}}}',
    );
    assert.equal(answered(await talk.send({ httpMethod: 'DELETE' })).status, 200);
    await until(() => s.peer.openStreams() === 0);
    assert.equal(answered(await talk.call(2)).status, 404);
    assert.equal(answered(await talk.send({ httpMethod: 'DELETE' })).status, 404);
  });

  it("passes the caller's headers on, but not the session id of its own making", async () => {
    await using s = await stage();
    const talk = await begin(s.upstream, s.peer.endpoint);
    await talk.call(1);
    assert.equal(s.peer.lastHeaders()['authorization'], 'Bearer upstream-own');
    assert.equal(s.peer.lastHeaders()['mcp-session-id'], undefined);
  });

  it('knows a session only at the endpoint where it was opened', async () => {
    await using s = await stage();
    const talk = await begin(s.upstream, s.peer.endpoint);
    const elsewhere = new Talk(s.upstream, `${s.peer.endpoint}?other`);
    elsewhere.session = talk.session;
    assert.equal(answered(await elsewhere.call(1)).status, 404);
  });

  it('asks for initialize first', async () => {
    await using s = await stage();
    const talk = new Talk(s.upstream, s.peer.endpoint);
    assert.equal(answered(await talk.call(1)).status, 400);
    assert.equal(answered(await talk.send({ httpMethod: 'GET' })).status, 405);
    assert.equal(s.peer.openStreams(), 0);
  });

  it('closes a session that nobody uses, and keeps one that somebody reads', async () => {
    await using s = await stage('echo', {}, { idleMs: 1_000 });
    const idle = await begin(s.upstream, s.peer.endpoint);
    const read = await begin(s.upstream, s.peer.endpoint);
    reading(await read.send({ httpMethod: 'GET' }));
    await s.clock.advance(2_000);
    await until(() => s.peer.openStreams() === 1);
    assert.equal(answered(await idle.call(1)).status, 404);
    assert.equal(answered(await read.call(1)).status, 200);
  });

  it('makes room by closing the session that was unused longest, and refuses where all are in use', async () => {
    await using s = await stage('silence', {}, { sessionsMax: 2 });
    const first = await begin(s.upstream, s.peer.endpoint);
    await s.clock.advance(10);
    const second = await begin(s.upstream, s.peer.endpoint);
    void second.call(1);
    await s.clock.advance(10);
    const third = await begin(s.upstream, s.peer.endpoint);
    assert.equal(answered(await first.call(1)).status, 404);
    void third.call(1);
    const refused = await new Talk(s.upstream, s.peer.endpoint).send({
      body: { id: 0, method: 'initialize' },
    });
    assert.ok(isUpstreamFault(refused));
    assert.deepEqual([refused.fault, refused.neverLeft], ['unreachable', true]);
  });

  it('bounds the requests that wait, and refuses an id that waits already', async () => {
    await using s = await stage('silence', {}, { pendingMax: 2 });
    const talk = await begin(s.upstream, s.peer.endpoint);
    void talk.call(1);
    void talk.call('1');
    const [twice, third] = [await talk.call(1), await talk.call(3)];
    assert.ok(isUpstreamFault(twice) && twice.fault === 'broken' && twice.neverLeft);
    assert.ok(isUpstreamFault(third) && third.fault === 'unreachable' && third.neverLeft);
  });
});

describe('sseUpstream opens only what it may trust', () => {
  const first = async (s: Stage, timeoutMs = 5_000): Promise<UpstreamResponse | UpstreamFault> =>
    new Talk(s.upstream, s.peer.endpoint).send({
      timeoutMs,
      body: { id: 0, method: 'initialize', params: initialize },
    });

  for (const endpoint of [
    'http://127.0.0.1:1/messages',
    '//evil.test/messages',
    'https://127.0.0.1/x',
    'http://[',
  ]) {
    it(`refuses the message URL ${endpoint}`, async () => {
      await using s = await stage('echo', { endpoint });
      const fault = await first(s);
      assert.ok(isUpstreamFault(fault));
      assert.deepEqual([fault.fault, fault.neverLeft], ['broken', true]);
      await until(() => s.peer.openStreams() === 0);
    });
  }

  it('gives up where no endpoint event comes', async () => {
    await using s = await stage('echo', { endpoint: null });
    const asked = first(s, 1_000);
    await until(() => s.peer.openStreams() === 1);
    await s.clock.advance(1_000);
    const fault = await asked;
    assert.ok(isUpstreamFault(fault));
    assert.deepEqual([fault.fault, fault.neverLeft], ['timeout', true]);
    await until(() => s.peer.openStreams() === 0);
  });

  it('hands on the refusal of a server that wants a key', async () => {
    await using host = await serveHttp(
      (_request, response) => void response.writeHead(401, { 'www-authenticate': 'Bearer' }).end(),
    );
    await using upstream = open(new SimClock());
    const answer = answered(
      await new Talk(upstream, `${host.origin}/sse`).send({ body: { id: 0, method: 'initialize' } }),
    );
    assert.deepEqual([answer.status, answer.headers['www-authenticate']], [401, 'Bearer']);
  });

  it('hands on the refusal of a message, and forgets the request', async () => {
    await using s = await stage('silence', { status: 403 });
    const answer = answered(await first(s));
    assert.equal(answer.status, 403);
    assert.equal(answer.headers['mcp-session-id'], undefined);
    await until(() => s.peer.openStreams() === 0);
  });
});

describe('sseUpstream sorts what comes on the stream', () => {
  it('gives messages that answer nothing to the reader of GET, also those that came before it', async () => {
    await using s = await stage();
    const talk = await begin(s.upstream, s.peer.endpoint);
    s.peer.write(event({ method: 'notifications/tools/list_changed' }));
    await talk.call(1);
    const reader = reading(await talk.send({ httpMethod: 'GET' }));
    assert.match((await reader.next()).value as string, /list_changed/);
    s.peer.write(event({ id: 9, method: 'roots/list' }));
    assert.match((await reader.next()).value as string, /"id":9,"method":"roots\/list"/);
    assert.equal(answered(await talk.send({ httpMethod: 'GET' })).status, 409);
    await reader.return?.();
    reading(await talk.send({ httpMethod: 'GET' }));
  });

  it('turns the answer into a stream when progress comes first', async () => {
    await using s = await stage('silence');
    const talk = await begin(s.upstream, s.peer.endpoint);
    const asked = talk.send({
      body: { id: 5, method: 'tools/call', params: { _meta: { progressToken: 'p' } } },
    });
    await until(() => s.peer.received() === 1);
    s.peer.write(event({ method: 'notifications/progress', params: { progressToken: 'p', progress: 1 } }));
    const stream = reading(await asked);
    assert.match((await stream.next()).value as string, /"progress":1/);
    s.peer.write(event({ id: 5, result: { done: true } }));
    assert.match((await stream.next()).value as string, /"done":true/);
    assert.equal((await stream.next()).done, true);
  });

  it('fails what waits when the stream dies, and does not know the session afterwards', async () => {
    await using s = await stage('silence');
    const talk = await begin(s.upstream, s.peer.endpoint);
    const reader = reading(await talk.send({ httpMethod: 'GET' }));
    const asked = talk.call(1);
    await until(() => s.peer.received() === 1);
    s.peer.breakStreams();
    const fault = await asked;
    assert.ok(isUpstreamFault(fault));
    assert.deepEqual([fault.fault, fault.neverLeft], ['broken', false]);
    await assert.rejects(reader.next(), UpstreamBroken);
    assert.equal(answered(await talk.call(2)).status, 404);
  });

  it('ends a session that the server has forgotten', async () => {
    await using s = await stage();
    const talk = await begin(s.upstream, s.peer.endpoint);
    s.peer.forgetSessions();
    assert.equal(answered(await talk.call(1)).status, 404);
    await until(() => s.peer.openStreams() === 0);
    assert.equal(answered(await talk.call(2)).status, 404);
  });

  it('ends a session whose server sends something that is no message', async () => {
    await using s = await stage('silence');
    const talk = await begin(s.upstream, s.peer.endpoint);
    const asked = talk.call(1);
    await until(() => s.peer.received() === 1);
    s.peer.write('data: [1]\n\n');
    const fault = await asked;
    assert.ok(isUpstreamFault(fault) && fault.fault === 'broken' && !fault.neverLeft);
  });

  it('ignores answers that nobody waits for, comments and unknown events', async () => {
    await using s = await stage();
    const talk = await begin(s.upstream, s.peer.endpoint);
    s.peer.write(`: ping\n\n${event({ id: 77, result: {} })}event: odd\ndata: x\n\n`);
    assert.equal(answered(await talk.call(1)).status, 200);
  });

  it('drops a reader that leaves too much unread', async () => {
    await using s = await stage('echo', {}, { eventBytesMax: 2_000 });
    const talk = await begin(s.upstream, s.peer.endpoint);
    const reader = reading(await talk.send({ httpMethod: 'GET' }));
    for (let i = 0; i < 4; i += 1)
      s.peer.write(event({ method: 'notifications/resources/updated', params: { uri: 'x'.repeat(900) } }));
    await talk.call(1);
    assert.match((await reader.next()).value as string, /xxx/);
    await assert.rejects(reader.next(), /too slow/);
    assert.equal(answered(await talk.call(2)).status, 200);
  });
});

describe('sseUpstream with a server of the official SDK', () => {
  it('lists, calls, and hears of changed tools', async () => {
    await using server = await startLegacySseServer({ toolsPerPage: 5 });
    await using upstream = open(realClock);
    const talk = await begin(upstream, server.url);
    assert.equal(answered(await talk.send({ body: { method: 'notifications/initialized' } })).status, 202);
    const reader = reading(await talk.send({ httpMethod: 'GET' }));
    assert.match(text(await talk.send({ body: { id: 1, method: 'tools/list' } })), /"nextCursor":"page-5"/);
    assert.match(text(await talk.call(2, { name: 'echo', arguments: { text: '漢' } })), /漢/);
    server.catalogue.removeTool('fail');
    assert.match((await reader.next()).value as string, /notifications\/tools\/list_changed/);
    assert.equal(server.sessionCount(), 1);
    await talk.send({ httpMethod: 'DELETE' });
    await until(() => server.sessionCount() === 0);
  });
});
