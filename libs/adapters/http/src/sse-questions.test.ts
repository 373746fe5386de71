/** What a server of HTTP+SSE asks and logs finds the request that it is about, where that can be known. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  isUpstreamFault,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { readBody, serveHttp, SimClock } from '@cruvero/testkit';
import { sseUpstream } from './sse-legacy.ts';
import { streamableUpstream } from './streamable.ts';

interface Posted {
  readonly id?: number | string;
  readonly method?: string;
  readonly [member: string]: unknown;
}

/** A server that answers initialize, keeps what is POSTed, and says what the test tells it. */
async function stage() {
  const clock = new SimClock();
  const http = streamableUpstream();
  const upstream = sseUpstream({ http, clock });
  const posted: Posted[] = [];
  const texts: string[] = [];
  let write = (_text: string): void => undefined;
  const host = await serveHttp((request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('event: endpoint\ndata: /messages\n\n');
      write = (text) => void response.write(text);
      return;
    }
    void readBody(request).then((text) => {
      texts.push(text);
      const message = JSON.parse(text) as Posted;
      posted.push(message);
      response.writeHead(202).end();
      if (message.method === 'initialize') tell({ id: message.id, result: {} });
    });
  });
  const tell = (message: object): void =>
    write(`event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`);
  return {
    posted,
    texts,
    tell,
    talk: () => Talk.open(upstream, `${host.origin}/sse`),
    [Symbol.asyncDispose]: async () => {
      await upstream[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
      await host.close();
    },
  };
}

class Talk {
  readonly #upstream: Upstream;
  readonly #endpoint: string;
  readonly #session: string;

  private constructor(upstream: Upstream, endpoint: string, session: string) {
    this.#upstream = upstream;
    this.#endpoint = endpoint;
    this.#session = session;
  }

  static async open(upstream: Upstream, endpoint: string): Promise<Talk> {
    const first = new Talk(upstream, endpoint, '');
    const got = answered(
      await first.send({ body: '{"jsonrpc":"2.0","id":0,"method":"initialize"}', headers: {} }),
    );
    return new Talk(upstream, endpoint, got.headers['mcp-session-id'] ?? assert.fail('no session'));
  }

  send(over: Partial<UpstreamRequest>): Promise<UpstreamResponse | UpstreamFault> {
    return this.#upstream.exchange({
      httpMethod: 'POST',
      endpoint: this.#endpoint,
      headers: { 'content-type': 'application/json', 'mcp-session-id': this.#session },
      signal: new AbortController().signal,
      timeoutMs: 5_000,
      bytesMax: 1_000_000,
      ...over,
    });
  }

  call(id: number, more: Partial<UpstreamRequest> = {}): Promise<UpstreamResponse | UpstreamFault> {
    return this.send({
      body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: {} }),
      ...more,
    });
  }

  async read(): Promise<Reading> {
    return new Reading(await this.send({ httpMethod: 'GET' }));
  }
}

function answered(value: UpstreamResponse | UpstreamFault): UpstreamResponse {
  assert.ok(!isUpstreamFault(value), `expected an answer, got ${JSON.stringify(value)}`);
  return value;
}

/** The messages of one stream, one by one. */
class Reading {
  readonly #chunks: AsyncIterator<string>;
  #text = '';

  constructor(value: UpstreamResponse | UpstreamFault) {
    const { body } = answered(value);
    assert.ok(body.kind === 'stream', 'expected a stream');
    this.#chunks = body.chunks[Symbol.asyncIterator]();
  }

  async next(): Promise<Posted | undefined> {
    for (;;) {
      const found = /data: (.*)\n\n/.exec(this.#text);
      if (found) {
        this.#text = this.#text.slice(found.index + found[0].length);
        return JSON.parse(found[1] ?? '') as Posted;
      }
      const { value, done } = await this.#chunks.next();
      if (done === true) return undefined;
      this.#text += value;
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000;
  while (!condition()) {
    assert.ok(performance.now() < endMs, 'the condition did not come about within 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const question = { id: 7, method: 'elicitation/create', params: { message: 'Name?' } };

describe('a server of HTTP+SSE that asks', { timeout: 20_000 }, () => {
  it('asks on the stream of the only request under way, and gets the answer at its message URL', async () => {
    await using s = await stage();
    const talk = await s.talk();
    const stream = await talk.read();
    const asked = talk.call(5);
    await until(() => s.posted.length === 2);
    s.tell(question);
    const reading = new Reading(await asked);
    assert.deepEqual(await reading.next(), { jsonrpc: '2.0', ...question });
    const text = '{"jsonrpc":"2.0", "id":7,"result":{"action":"accept","n":1.50}}';
    assert.equal(answered(await talk.send({ body: text })).status, 202);
    assert.equal(s.texts.at(-1), text, 'to the letter');
    s.tell({ id: 5, result: { done: true } });
    assert.deepEqual((await reading.next())?.['result'], { done: true });
    assert.equal(await reading.next(), undefined);
    s.tell({ id: 8, method: 'ping' });
    assert.equal((await stream.next())?.id, 8, 'nothing of it was meant for the reader of GET before');
  });

  it('asks the reader of GET where no request, or more than one, is under way', async () => {
    await using s = await stage();
    const talk = await s.talk();
    s.tell({ ...question, id: 'early' });
    const stream = await talk.read();
    const calls = [talk.call(1), talk.call(2)];
    await until(() => s.posted.length === 3);
    s.tell({ ...question, id: 'which' });
    s.tell({ method: 'notifications/message', params: { data: 'whose' } });
    assert.deepEqual(
      [(await stream.next())?.id, (await stream.next())?.id, (await stream.next())?.method],
      ['early', 'which', 'notifications/message'],
    );
    for (const id of [1, 2]) s.tell({ id, result: {} });
    for (const call of calls) assert.equal(answered(await call).body.kind, 'text');
  });

  it('takes a question back where it was asked', async () => {
    await using s = await stage();
    const talk = await s.talk();
    const stream = await talk.read();
    const asked = talk.call(1);
    await until(() => s.posted.length === 2);
    s.tell(question);
    const reading = new Reading(await asked);
    await reading.next();
    void talk.call(2);
    await until(() => s.posted.length === 3);
    const cancelled = (requestId: number) => ({ method: 'notifications/cancelled', params: { requestId } });
    s.tell(cancelled(7));
    s.tell(cancelled(7));
    assert.equal((await reading.next())?.method, 'notifications/cancelled');
    assert.equal((await stream.next())?.method, 'notifications/cancelled', 'it is known no more');
    s.tell({ id: 2, result: {} });
  });

  it('logs to the only request under way, and tells of changes elsewhere', async () => {
    await using s = await stage();
    const talk = await s.talk();
    const stream = await talk.read();
    const asked = talk.call(1);
    await until(() => s.posted.length === 2);
    s.tell({ method: 'notifications/tools/list_changed' });
    s.tell({ method: 'notifications/message', params: { level: 'info', data: 'x' } });
    const reading = new Reading(await asked);
    assert.equal((await reading.next())?.method, 'notifications/message');
    assert.equal((await stream.next())?.method, 'notifications/tools/list_changed');
    s.tell({ id: 1, result: {} });
  });

  it('fails the request alone that is asked more than it takes', async () => {
    await using s = await stage();
    const talk = await s.talk();
    const asked = talk.call(1, { bytesMax: 500 });
    await until(() => s.posted.length === 2);
    s.tell({ ...question, params: { message: 'x'.repeat(1_000) } });
    const reading = new Reading(await asked);
    await assert.rejects(reading.next(), /larger than 500 bytes/);
    const second = talk.call(2);
    await until(() => s.posted.length === 3);
    s.tell({ id: 2, result: {} });
    assert.equal(answered(await second).status, 200);
  });
});
