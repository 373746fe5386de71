/** Real servers: they ask back, log, report changed resources, close their streams to be asked again, and restart. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import {
  isFault,
  paramsFrom,
  type JsonObject,
  type ListenFilter,
  type Question,
  type Reply,
  type ServerName,
} from '@cruvero/core';
import { SimClock, startConformanceServer } from '@cruvero/testkit';
import type { Ask, ListenEvents, SessionTerms } from './ask.ts';
import { asking, asksBack, termsOf } from './fake-peer.fixture.ts';
import { UpstreamLink } from './link.ts';
import { defaultBounds } from './peer.ts';

const program = fileURLToPath(
  new URL('../../../node_modules/@modelcontextprotocol/server-everything/dist/index.js', import.meta.url),
);

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The official reference server over Streamable HTTP, as a process of its own. */
async function startEverything(port: number): Promise<{ readonly url: string } & AsyncDisposable> {
  const child = spawn(process.execPath, [program, 'streamableHttp'], {
    env: { PATH: process.env['PATH'], PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = async (): Promise<void> => {
    const gone = child.exitCode === null ? once(child, 'exit') : undefined;
    child.kill('SIGKILL');
    await gone;
  };
  for await (const line of child.stderr) if (String(line).includes('listening on port')) break;
  child.stderr.resume();
  return { url: `http://127.0.0.1:${port}/mcp`, [Symbol.asyncDispose]: stop };
}

/** Bounds and backoffs stand still: whatever is waited for comes by itself. */
function linkTo(endpoint: string, transport: 'http' | 'sse' = 'http') {
  const clock = new SimClock();
  const http = streamableUpstream();
  const sse = sseUpstream({ http, clock });
  const instance = { instanceId: 'i1' as never, transport, endpoint };
  const link = new UpstreamLink({ server: 'real' as ServerName, instance }, defaultBounds, {
    upstreams: { http, sse },
    clock,
    random: () => 0.5,
    clientInfo: { name: 'test', version: '1' },
  });
  return {
    link,
    clock,
    async [Symbol.asyncDispose]() {
      await link.close();
      await sse[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
    },
  };
}

/** Waits for a condition, at most ten seconds. */
async function eventually(what: string, condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ten seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const answers: Readonly<Record<string, JsonObject>> = {
  'roots/list': { roots: [{ uri: 'file:///home/alice' }] },
  'sampling/createMessage': {
    role: 'assistant',
    model: 'm',
    content: { type: 'text', text: 'sampled here' },
  },
  'elicitation/create': { action: 'accept', content: { name: 'Alice', username: 'alice' } },
};

function answering() {
  const asked: Question[] = [];
  const onRequest = (question: Question): Promise<Reply> => {
    asked.push(question);
    return Promise.resolve({ kind: 'result', text: JSON.stringify(answers[question.method] ?? {}) });
  };
  return { asked, onRequest, methods: () => asked.map(({ method }) => method) };
}

const calling = (name: string, args: JsonObject, terms: SessionTerms, over: Partial<Ask> = {}): Ask =>
  asking({ params: paramsFrom(JSON.stringify({ name, arguments: args })), terms, ...over });

/** The text of what the tool said. */
async function textOf(link: UpstreamLink, ask: Ask): Promise<string> {
  const answer = await link.request(ask);
  if (isFault(answer)) assert.fail(JSON.stringify(answer));
  return answer.reply.text;
}

const own = termsOf('alice', {
  capabilities: { ...asksBack, elicitation: { form: {} } },
  exclusive: true,
});
const resource = 'demo://resource/dynamic/text/1';
const onlyResources: ListenFilter = { lists: new Set(), uris: [], taskIds: [] };

function ear(more: Partial<ListenEvents> = {}) {
  const heard: JsonObject[] = [];
  const states: string[] = [];
  let gaps = 0;
  const events: ListenEvents = {
    onNotification: (text) => heard.push(JSON.parse(text) as JsonObject),
    onState: ({ at }) => states.push(at),
    onGap: () => (gaps += 1),
    ...more,
  };
  const count = (method: string): number => heard.filter((one) => one['method'] === method).length;
  return { heard, states, events, count, gaps: () => gaps };
}

describe('the reference server over Streamable HTTP', () => {
  it('samples and elicits in the middle of calls, and several calls at once each get their own answers', async () => {
    await using server = await startEverything(await freePort());
    await using stage = linkTo(server.url);
    const { onRequest, methods } = answering();
    const sampled = calling('trigger-sampling-request', { prompt: 'p', maxTokens: 5 }, own, { onRequest });
    const elicited = calling('trigger-elicitation-request', {}, own, { onRequest });
    const [one, two, three] = await Promise.all([
      textOf(stage.link, sampled),
      textOf(stage.link, elicited),
      textOf(stage.link, sampled),
    ]);
    assert.match(one, /sampled here/);
    assert.match(two, /Alice/);
    assert.match(three, /sampled here/);
    for (const method of ['sampling/createMessage', 'elicitation/create'])
      assert.ok(methods().includes(method));
    assert.equal(stage.link.sessionCount, 4, 'three callers at once, and the link');
  });

  it('asks for roots outside of any call, which the feed of the session answers', async () => {
    await using server = await startEverything(await freePort());
    await using stage = linkTo(server.url);
    const { onRequest, methods } = answering();
    const terms = termsOf('client', { capabilities: asksBack });
    const listening = ear({ onRequest });
    const feed = stage.link.listen(terms, onlyResources, listening.events);
    await eventually('the feed is open', () => listening.states.includes('open'));
    assert.match(
      await textOf(stage.link, calling('get-roots-list', {}, terms, { onRequest })),
      /home\/alice/,
    );
    assert.ok(methods().includes('roots/list'));
    feed.close();
  });

  it('reports changed resources and logs to a feed, before and after a restart of the server', async () => {
    const port = await freePort();
    const terms = termsOf('client');
    const server = await startEverything(port);
    await using stage = linkTo(server.url);
    const listening = ear();
    const feed = stage.link.listen(terms, onlyResources, listening.events);
    await eventually('the feed is open', () => listening.states.includes('open'));
    assert.partialDeepStrictEqual(await feed.setLogLevel('debug', new AbortController()), { kind: 'result' });
    assert.partialDeepStrictEqual(await feed.subscribe(resource, new AbortController()), { kind: 'result' });
    await eventually('the subscription is logged', () => listening.count('notifications/message') > 0);
    await textOf(stage.link, calling('toggle-subscriber-updates', {}, terms));
    const updated = 'notifications/resources/updated';
    await eventually('the resource has changed', () => listening.count(updated) > 0);

    await server[Symbol.asyncDispose]();
    await eventually('the stream is broken', () => listening.states.at(-1) === 'waiting');
    await using again = await startEverything(port);
    const before = listening.count(updated);
    await eventually('the feed is open again', () => {
      void stage.clock.advance(1_000);
      return listening.gaps() > 0 && listening.states.at(-1) === 'open';
    });
    await textOf(stage.link, calling('toggle-subscriber-updates', {}, terms));
    await eventually('the resource changes still', () => listening.count(updated) > before);
    assert.ok(again.url === server.url);
    feed.close();
  });
});

describe('the conformance server', () => {
  it('closes the stream of a call to be asked for the rest, which comes', async () => {
    await using server = await startConformanceServer({ eras: 'legacy' });
    await using stage = linkTo(server.url);
    let over = false;
    const said = textOf(stage.link, calling('test_reconnection', {}, termsOf('a'))).finally(
      () => (over = true),
    );
    await eventually('the call is over', () => {
      void stage.clock.advance(200);
      return over;
    });
    assert.match(await said, /Reconnection test completed/);
  });

  for (const transport of ['http', 'sse'] as const) {
    it(`asks in the middle of a call over ${transport}`, async () => {
      await using server = await startConformanceServer({ eras: 'legacy', transport });
      await using stage = linkTo(server.url, transport);
      const { onRequest, methods } = answering();
      const ask = calling('test_elicitation', { message: 'Who?' }, own, { onRequest });
      assert.match(await textOf(stage.link, ask), /accept/);
      assert.deepEqual(methods(), ['elicitation/create']);
    });

    it(`tells a legacy feed over ${transport} of changed lists and resources`, async () => {
      await using server = await startConformanceServer({ eras: 'legacy', transport });
      await using stage = linkTo(server.url, transport);
      await tellsOfChanges(stage.link);
    });
  }

  it('tells a modern feed of changed lists and resources', async () => {
    await using server = await startConformanceServer({ eras: 'modern' });
    await using stage = linkTo(server.url);
    await tellsOfChanges(stage.link);
  });
});

async function tellsOfChanges(link: UpstreamLink): Promise<void> {
  const listening = ear();
  const terms = termsOf('a');
  const filter: ListenFilter = { lists: new Set(['tools']), uris: [], taskIds: [] };
  const feed = link.listen(terms, filter, listening.events);
  await eventually('the feed is open', () => listening.states.includes('open'));
  const uri = 'test://watched-resource';
  const { count } = listening;
  const touch = async () => {
    for (const what of ['tool', 'prompt', 'resource'])
      await textOf(link, calling(`test_trigger_${what}_change`, {}, terms));
  };
  await touch();
  await eventually('the tools have changed', () => count('notifications/tools/list_changed') === 1);
  assert.partialDeepStrictEqual(await feed.subscribe(uri, new AbortController()), { kind: 'result' });
  await touch();
  await eventually('the resource has changed', () => count('notifications/resources/updated') === 1);
  assert.partialDeepStrictEqual(await feed.unsubscribe(uri, new AbortController()), { kind: 'result' });
  await touch();
  await eventually('the tools have changed again', () => count('notifications/tools/list_changed') === 3);
  assert.equal(count('notifications/resources/updated'), 1);
  assert.equal(count('notifications/prompts/list_changed'), 0, 'nobody asked for it');
  assert.equal(listening.gaps(), 0);
  feed.close();
}
