/** Real servers ask their clients through the bridge, over HTTP; real subscriptions come and end. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { httpListener } from '@cruvero/adapter-http';
import { childProcesses } from '@cruvero/adapter-stdio';
import { systemClock, systemRandom } from '@cruvero/chassis';
import { isSseProblem, readServerName, SseParser } from '@cruvero/core';
import { startStdioBridge } from '@cruvero/service-stdio-bridge';
import { MemoryTelemetry, stdioModern, type StdioFixture } from '@cruvero/testkit';

const everything: StdioFixture = {
  command: process.execPath,
  args: [
    fileURLToPath(new URL('../../../node_modules/.bin/mcp-server-everything', import.meta.url)),
    'stdio',
  ],
};

async function served({ command, args }: StdioFixture, ownChildrenMax = 8) {
  const children = childProcesses();
  const telemetry = new MemoryTelemetry();
  const name = readServerName('real') ?? assert.fail();
  const servers = [{ kind: 'command', name, command, args, env: {}, instances: 1 }] as const;
  const bridge = await startStdioBridge(
    {
      bridgeId: 'test',
      subjectPrefix: 'cruvero',
      heartbeatIntervalMs: 30_000,
      requestTimeoutMs: 30_000,
      bodyBytesMax: 1 << 20,
      allowedHosts: [],
      allowedOrigins: [],
      bounds: { ownChildrenMax },
    },
    {
      children,
      clock: systemClock,
      random: systemRandom,
      telemetry,
      source: { read: async () => ({ servers, problems: [] }), watch: () => ({ close: () => undefined }) },
      listener: httpListener({ host: '127.0.0.1', port: 0 }),
    },
  );
  await bridge.ready();
  const url = `${bridge.url}/servers/real/real.test.0/mcp`;
  return {
    bridge,
    url,
    client: () => new Client(url),
    legacy: (capabilities: object = {}) => Client.open(url, capabilities),
    /** Of the own children, in the order in which they were started. */
    pids: () =>
      telemetry.lines
        .filter(({ message }) => message === 'own child started')
        .map(({ fields }) => Number(fields['pid'])),
    async [Symbol.asyncDispose]() {
      await bridge[Symbol.asyncDispose]();
      await children[Symbol.asyncDispose]();
    },
  };
}

interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly code: number };
}

/** The messages of one answer, one by one, whether it is JSON or a stream. */
class Exchange {
  readonly status: number;
  readonly type: string | null;
  readonly headers: Headers;
  readonly #reader: ReadableStreamDefaultReader<string> | undefined;
  readonly #parser = new SseParser(1 << 20);
  readonly #waiting: string[] = [];

  constructor(response: Response) {
    this.status = response.status;
    this.headers = response.headers;
    this.type = response.headers.get('content-type');
    this.#reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Undefined at the end; rejects where the stream breaks. */
  async next(): Promise<Message | undefined> {
    while (this.#waiting.length === 0) {
      const piece = await this.#reader?.read();
      if (piece?.value === undefined) return undefined;
      if (this.type !== 'text/event-stream') this.#waiting.push(piece.value);
      else {
        const events = this.#parser.feed(piece.value);
        if (isSseProblem(events)) return assert.fail(events.problem);
        this.#waiting.push(...events.map(({ data }) => data));
      }
    }
    return JSON.parse(this.#waiting.shift() ?? '') as Message;
  }

  async until(wanted: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const message = (await this.next()) ?? assert.fail('the stream ended first');
      if (wanted(message)) return message;
    }
  }

  asked(method: string): Promise<Message> {
    return this.until((message) => message.method === method);
  }

  answer(): Promise<Message> {
    return this.until((message) => message.method === undefined);
  }
}

class Client {
  readonly #url: string;
  readonly #headers: Record<string, string>;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.#url = url;
    this.#headers = headers;
  }

  static initialize(url: string, capabilities: object): Promise<Exchange> {
    const params = {
      protocolVersion: '2025-11-25',
      capabilities,
      clientInfo: { name: 'test', version: '1' },
    };
    return new Client(url).ask('initialize', params, 0);
  }

  static async open(url: string, capabilities: object): Promise<Client> {
    const opened = await Client.initialize(url, capabilities);
    assert.ok((await opened.answer()).result);
    const client = new Client(url, {
      'mcp-session-id': opened.headers.get('mcp-session-id') ?? assert.fail('no session'),
      'mcp-protocol-version': '2025-11-25',
    });
    assert.equal((await client.post({ method: 'notifications/initialized' })).status, 202);
    return client;
  }

  async post(
    message: object,
    more: RequestInit = {},
    headers: Record<string, string> = {},
  ): Promise<Exchange> {
    const accept = 'application/json, text/event-stream';
    return new Exchange(
      await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept, ...this.#headers, ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', ...message }),
        ...more,
      }),
    );
  }

  ask(method: string, params: object = {}, id: number | string = 1): Promise<Exchange> {
    return this.post({ id, method, params });
  }

  call(name: string, args: object = {}, id: number | string = 1): Promise<Exchange> {
    return this.ask('tools/call', { name, arguments: args }, id);
  }

  async tools(): Promise<string[]> {
    const { result } = await (await this.ask('tools/list')).answer();
    return ((result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name);
  }

  async listen(): Promise<Exchange> {
    const headers = { accept: 'text/event-stream', ...this.#headers };
    return new Exchange(await fetch(this.#url, { headers }));
  }

  modern(method: string, params: object, id: number | string, signal?: AbortSignal): Promise<Exchange> {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    };
    const name = 'name' in params ? { 'mcp-name': String(params.name) } : {};
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...name };
    return this.post({ id, method, params: { ...params, _meta } }, signal ? { signal } : {}, headers);
  }
}

const asking = { elicitation: { form: {} }, sampling: {}, roots: { listChanged: true } };
const textOf = ({ result }: Message): string => JSON.stringify(result?.['content']);
const accept = (question: Message, name: string) => ({
  id: question.id,
  result: { action: 'accept', content: { name } },
});

describe('a real server that asks', { timeout: 60_000 }, () => {
  it('offers what the client can answer, and asks it in the middle of calls', async () => {
    await using real = await served(everything);
    const [client, plain] = [await real.legacy(asking), await real.legacy()];
    const more = ['trigger-elicitation-request', 'trigger-sampling-request', 'get-roots-list'];
    const [offered, offeredPlain] = [await client.tools(), await plain.tools()];
    assert.deepEqual(
      more.filter((name) => offered.includes(name)),
      more,
    );
    assert.ok(!more.some((name) => offeredPlain.includes(name)));

    const elicited = await client.call('trigger-elicitation-request');
    const question = await elicited.asked('elicitation/create');
    assert.equal((await client.post(accept(question, 'Ann'))).status, 202);
    assert.match(textOf(await elicited.answer()), /- Name: Ann/);
    assert.equal(await elicited.next(), undefined);

    const sampled = await client.call('trigger-sampling-request', { prompt: 'Why?' });
    const { id, params } = await sampled.asked('sampling/createMessage');
    assert.match(JSON.stringify(params), /Why\?/);
    const result = { role: 'assistant', model: 'm', content: { type: 'text', text: 'Because.' } };
    await client.post({ id, result });
    assert.match(textOf(await sampled.answer()), /Because\./);
  });

  it('asks for the roots outside of any call, on the open stream', async () => {
    await using real = await served(everything);
    const client = await real.legacy({ roots: { listChanged: true } });
    const stream = await client.listen();
    const answer = async (name: string): Promise<void> => {
      const { id } = await stream.asked('roots/list');
      await client.post({ id, result: { roots: [{ uri: `file:///${name}`, name }] } });
      await stream.until(({ params }) => /Roots updated/.test(String(params?.['data'])));
    };
    await answer('first');
    await client.post({ method: 'notifications/roots/list_changed' });
    await answer('second');
    const { result } = await (await client.call('get-roots-list')).answer();
    assert.match(JSON.stringify(result), /file:\/\/\/second/);
  });

  it('asks each of several clients, all of whose ids are the same, about its own call', async () => {
    await using real = await served(everything);
    const clients = await Promise.all(Array.from({ length: 5 }, () => real.legacy(asking)));
    const calls = await Promise.all(clients.map((client) => client.call('trigger-elicitation-request')));
    const questions = await Promise.all(calls.map((call) => call.asked('elicitation/create')));
    assert.equal(new Set(questions.map(({ id }) => id)).size, 5);
    for (const [i, client] of [...clients.entries()].reverse())
      await client.post(accept(questions[i] ?? assert.fail(), `client ${i}`));
    for (const [i, call] of calls.entries())
      assert.match(textOf(await call.answer()), new RegExp(`- Name: client ${i}\\b`));
  });

  it('ends only its own session when it is killed in the middle of a question', async () => {
    await using real = await served(everything);
    const [first, second] = [await real.legacy(asking), await real.legacy(asking)];
    const call = await first.call('trigger-elicitation-request');
    const question = await call.asked('elicitation/create');
    process.kill(real.pids()[0] ?? assert.fail('no pid'), 'SIGKILL');
    await assert.rejects(call.next());
    assert.equal((await first.post(accept(question, 'late'))).status, 404);
    assert.equal((await first.ask('tools/list')).status, 404);
    assert.ok((await second.tools()).includes('trigger-elicitation-request'));
    assert.ok((await (await real.legacy(asking)).tools()).includes('trigger-elicitation-request'));
    assert.equal(real.bridge.listing()[0]?.restarts, 0);
  });

  it('has so many own children and no more', async () => {
    await using real = await served(everything, 1);
    const first = await real.legacy(asking);
    const second = await real.legacy(asking);
    assert.equal((await first.ask('tools/list')).status, 404);
    const call = await second.call('trigger-elicitation-request');
    const question = await call.asked('elicitation/create');
    const third = await Client.initialize(real.url, asking);
    assert.equal(third.status, 503, 'nobody else could be ended');
    assert.equal((await third.answer()).error?.code, -31030);
    await second.post(accept(question, 'still there'));
    assert.match(textOf(await call.answer()), /still there/);
    assert.equal(real.pids().length, 2);
  });
});

describe('real servers that many use', { timeout: 60_000 }, () => {
  it('send updates of resources to those who subscribed', async () => {
    await using real = await served(everything);
    const [first, second] = [await real.legacy(), await real.legacy()];
    const [one, two] = [await first.listen(), await second.listen()];
    const isUpdate = ({ method }: Message): boolean => method === 'notifications/resources/updated';
    await (await first.ask('resources/subscribe', { uri: 'demo://resource/dynamic/text/1' })).answer();
    await (await second.ask('resources/subscribe', { uri: 'demo://resource/dynamic/text/2' })).answer();
    await (await second.ask('resources/subscribe', { uri: 'demo://resource/dynamic/text/1' })).answer();
    await (await second.ask('resources/unsubscribe', { uri: 'demo://resource/dynamic/text/1' })).answer();
    await (await first.call('toggle-subscriber-updates')).answer();
    assert.equal((await one.until(isUpdate)).params?.['uri'], 'demo://resource/dynamic/text/1');
    assert.equal((await two.until(isUpdate)).params?.['uri'], 'demo://resource/dynamic/text/2');
  });

  it('carry several modern subscriptions, which end by their results', async () => {
    await using real = await served(stdioModern());
    const client = real.client();
    const aborter = new AbortController();
    const filter = { notifications: { toolsListChanged: true } };
    const [leaves, stays] = [
      await client.modern('subscriptions/listen', filter, 1, aborter.signal),
      await client.modern('subscriptions/listen', filter, 1),
    ];
    for (const heard of [leaves, stays]) await heard.asked('notifications/subscriptions/acknowledged');
    const change = (tool: object) =>
      client.modern('tools/call', { name: 'change-tools', arguments: tool }, 1);
    await (await change({ add: 'more' })).answer();
    for (const heard of [leaves, stays]) await heard.asked('notifications/tools/list_changed');
    aborter.abort();
    await assert.rejects(leaves.next());
    await (await change({ remove: 'more' })).answer();
    const { params } = await stays.asked('notifications/tools/list_changed');
    const id = { 'io.modelcontextprotocol/subscriptionId': 1 };
    assert.deepEqual(params?.['_meta'], id);
    const ended = stays.answer();
    await real.bridge[Symbol.asyncDispose]();
    const { result } = await ended;
    assert.deepEqual([result?.['resultType'], result?.['_meta']], ['complete', id]);
  });
});
