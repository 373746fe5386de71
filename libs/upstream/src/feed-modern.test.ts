/** Listening to a modern server: one stream, replaced without a gap when what is wanted changes. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, isJsonObject, type Json, type JsonObject, type ListenFilter } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import type { FeedState, ListenOptions, SessionTerms } from './ask.ts';
import {
  answer,
  asksBack,
  error,
  FakeStreams,
  json,
  legacyScript,
  modernScript,
  scene,
  termsOf,
  text,
  until,
  type Act,
  type Script,
  type Seen,
} from './fake-peer.fixture.ts';
import type { UpstreamLink } from './link.ts';

const everything: ListenFilter = {
  lists: new Set(['tools', 'prompts', 'resources']),
  uris: [],
  taskIds: [],
};
const alice = termsOf('alice');

const filterOf = (seen: Seen): JsonObject => {
  const params = seen.message['params'];
  const filter = isJsonObject(params) ? params['notifications'] : undefined;
  return isJsonObject(filter) ? filter : {};
};
const stamped = (seen: Seen, method: string, params: JsonObject = {}): Json => ({
  jsonrpc: '2.0',
  method,
  params: { ...params, _meta: { 'io.modelcontextprotocol/subscriptionId': seen.message['id'] ?? null } },
});
const acknowledged = (seen: Seen, filter: Json = filterOf(seen)): Json =>
  stamped(seen, 'notifications/subscriptions/acknowledged', { notifications: filter });

/** Streams that are acknowledged at once, unless the test takes that over. */
class Listens extends FakeStreams {
  acknowledges = true;
  readonly listen: Script = (seen) => {
    const response = this.script(seen);
    if (this.acknowledges) this.opened.at(-1)?.stream.send(acknowledged(seen));
    return response;
  };
  say(at: number, method: string, params: JsonObject = {}): void {
    this.at(at).send(stamped(this.seen(at), method, params));
  }
  update(at: number, uri: string): void {
    this.say(at, 'notifications/resources/updated', { uri });
  }
}

function stage(act?: (seen: Seen) => Act | undefined, bounds = {}) {
  const listens = new Listens();
  const script = modernScript((seen) =>
    seen.method === 'subscriptions/listen'
      ? (act?.(seen) ?? listens.listen(seen))
      : answer(seen, { resultType: 'complete' }),
  );
  return { ...scene(script, bounds), listens };
}

function listen(
  link: UpstreamLink,
  filter = everything,
  options: ListenOptions = {},
  terms: SessionTerms = alice,
) {
  const heard: JsonObject[] = [];
  const states: FeedState[] = [];
  let gaps = 0;
  const feed = link.listen(
    terms,
    filter,
    {
      onNotification: (one) => heard.push(JSON.parse(one) as JsonObject),
      onState: (state) => states.push(state),
      onGap: () => (gaps += 1),
    },
    options,
  );
  const at = (): readonly string[] => states.map((state) => state.at);
  return { feed, heard, states, at, gaps: () => gaps };
}

const uris = (heard: readonly JsonObject[]): readonly (Json | undefined)[] =>
  heard.map(({ params }) => (isJsonObject(params) ? params['uri'] : undefined));

describe('a feed of a modern server', () => {
  it('is one stream with its filter, open once it is acknowledged, whose messages lose their stamp', async () => {
    const { link, clock, listens } = stage();
    listens.acknowledges = false;
    const filter: ListenFilter = { lists: new Set(['tools']), uris: ['a://1'], taskIds: ['t1'] };
    const terms = termsOf('alice', { clientInfo: { name: 'editor', version: '2' } });
    const { feed, heard, at } = listen(link, filter, { capabilities: asksBack }, terms);
    const stream = await listens.nth(0);
    const seen = listens.seen(0);
    assert.deepEqual(filterOf(seen), {
      toolsListChanged: true,
      resourceSubscriptions: ['a://1'],
      taskIds: ['t1'],
    });
    assert.partialDeepStrictEqual(seen.message['params'], {
      _meta: {
        'io.modelcontextprotocol/clientCapabilities': asksBack,
        'io.modelcontextprotocol/clientInfo': { name: 'editor', version: '2' },
      },
    });
    assert.equal(seen.request.headers['mcp-method'], 'subscriptions/listen');
    assert.deepEqual(at(), []);
    stream.send(acknowledged(seen));
    listens.say(0, 'notifications/tools/list_changed');
    listens.say(0, 'notifications/tasks', { taskId: 't1', _meta: {} });
    await until(() => heard.length === 2);
    assert.deepEqual(at(), ['open']);
    assert.deepEqual(heard[0], { jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: {} });
    assert.equal(clock.pending, 0, 'no timer while it is open');
    await clock.advance(3_600_000);
    assert.equal(stream.aborted, false, 'it may be silent for as long as it likes');
    feed.close();
    await until(() => stream.aborted);
    assert.equal(clock.pending, 0);
    assert.equal(listens.count, 1);
  });

  it('is reopened where the server ends it, with its result, a cancellation or an error, and a gap is told', async () => {
    const ends: ((seen: Seen) => Json)[] = [
      (seen) => ({ jsonrpc: '2.0', id: seen.message['id'] ?? null, result: { resultType: 'complete' } }),
      (seen) => ({
        jsonrpc: '2.0',
        method: 'notifications/cancelled',
        params: { requestId: seen.message['id'] ?? null },
      }),
      (seen) => ({
        jsonrpc: '2.0',
        id: seen.message['id'] ?? null,
        error: { code: -32603, message: 'gone' },
      }),
    ];
    const { link, clock, listens } = stage();
    const { feed, at, gaps } = listen(link);
    for (const [round, end] of ends.entries()) {
      (await listens.nth(round)).send(end(listens.seen(round)));
      await until(() => at().at(-1) === 'waiting');
      await until(() => listens.at(round).aborted);
      await clock.advance(30_000);
      await listens.nth(round + 1);
      await until(() => gaps() === round + 1);
    }
    assert.deepEqual(at(), ['open', 'waiting', 'open', 'waiting', 'open', 'waiting', 'open']);
    feed.close();
  });

  it('is reopened where it breaks, is no message or is too long, later each time', async () => {
    const { link, clock, listens } = stage(undefined, { answerBytesMax: 1_000 });
    const { feed, gaps } = listen(link);
    const breaks = [
      (at: number) => listens.at(at).fail('the socket was reset'),
      (at: number) => listens.at(at).push('data: [\n\n'),
      (at: number) => listens.at(at).push(`data: ${'x'.repeat(2_000)}`),
      (at: number) => listens.at(at).end(),
    ];
    for (const [at, act] of breaks.entries()) {
      await listens.nth(at);
      await settle();
      act(at);
      await settle();
      await clock.advance(375 * 2 ** at - 1);
      assert.equal(listens.count, at + 1);
      await clock.advance(1);
      await listens.nth(at + 1);
    }
    await until(() => gaps() === 4);
    await clock.advance(5_000);
    listens.at(4).end();
    await settle();
    await clock.advance(375);
    await listens.nth(5);
    feed.close();
  });

  it('ignores what a server may not say there', async () => {
    const { link, listens } = stage();
    const { feed, heard } = listen(link);
    const stream = await listens.nth(0);
    stream.push(': beat\n\ndata:\n\n');
    stream.send({ jsonrpc: '2.0', id: 'q', method: 'roots/list' });
    listens.say(0, 'notifications/tools/list_changed');
    await until(() => heard.length === 1);
    feed.close();
  });
});

describe('a modern server that does not acknowledge', () => {
  const acts: readonly [string, (seen: Seen) => Act, object][] = [
    [
      'is down',
      () => ({ fault: 'unreachable', detail: 'no', neverLeft: true }),
      { fault: 'upstream_unavailable' },
    ],
    ['has no time', () => text(503, ''), { fault: 'upstream_unavailable' }],
    ['refuses this gateway', () => text(401, ''), { fault: 'upstream_unavailable' }],
    ['answers with a page', () => text(200, '<h1>Hi</h1>'), { fault: 'upstream_broken' }],
    ['answers with a result', (seen) => answer(seen, {}), { fault: 'upstream_broken' }],
    ['refuses the filter', (seen) => error(seen, -32602, 'Too many', 400), { fault: 'upstream_broken' }],
    [
      'refuses it on the stream',
      (seen) => {
        const streams = new FakeStreams();
        const response = streams.script(seen);
        const id = seen.message['id'] ?? null;
        streams.at(0).send({ jsonrpc: '2.0', id, error: { code: -32000, message: 'no' } });
        return response as Act;
      },
      { fault: 'upstream_broken' },
    ],
    [
      'says something else first',
      (seen) => {
        const streams = new FakeStreams();
        const response = streams.script(seen);
        streams.at(0).send(stamped(seen, 'notifications/tools/list_changed'));
        return response as Act;
      },
      { fault: 'upstream_broken' },
    ],
  ];
  for (const [name, act, fault] of acts) {
    it(`because it ${name} is tried again`, async () => {
      let down = true;
      const { link, clock } = stage((seen) => (down ? act(seen) : undefined));
      const { feed, states, at, gaps } = listen(link);
      await until(() => states.length === 1);
      assert.partialDeepStrictEqual(states[0], { at: 'waiting', fault });
      down = false;
      await clock.advance(375);
      await until(() => at().at(-1) === 'open');
      assert.equal(gaps(), 0, 'it was never open before');
      feed.close();
      await settle();
      assert.equal(clock.pending, 0);
    });
  }

  for (const [name, answers] of [
    ['does not begin to answer', (): Act => 'silence'],
    ['says nothing on its stream', (): undefined => undefined],
  ] as const) {
    it(`in time, because it ${name}, is tried again`, async () => {
      const { link, peer, clock, listens } = stage(answers, { timeoutMs: 1_000 });
      listens.acknowledges = false;
      const { feed, states } = listen(link);
      await until(() => peer.count('subscriptions/listen') === 1);
      await settle();
      await clock.advance(1_000);
      await until(() => states.length === 1);
      assert.partialDeepStrictEqual(states[0], { fault: { fault: 'upstream_timeout', timeoutMs: 1_000 } });
      await clock.advance(375);
      assert.equal(peer.count('subscriptions/listen'), 2);
      feed.close();
      await settle();
      assert.equal(clock.pending, 0);
    });
  }

  for (const [name, act] of [
    ['-32601 and HTTP 404', (seen: Seen) => error(seen, -32601, 'Method not found', 404)],
    ['-32601', (seen: Seen) => error(seen, -32601, 'Method not found')],
    ['HTTP 404', () => text(404, '')],
    ['HTTP 405', () => text(405, '')],
  ] as const) {
    it(`but answers ${name} says nothing unasked; it is asked again when its face has aged`, async () => {
      let knows = false;
      const { link, peer, clock } = stage((seen) => (knows ? undefined : act(seen)), { faceAgeMs: 10_000 });
      const { feed, at } = listen(link);
      await until(() => at().length === 1);
      assert.deepEqual(at(), ['unsupported']);
      assert.equal(peer.count('server/discover'), 2, 'it might have been another one');
      assert.partialDeepStrictEqual(await feed.subscribe('a://1', new AbortController()), {
        kind: 'error',
        code: -32602,
      });
      knows = true;
      await clock.advance(10_000);
      await until(() => at().at(-1) === 'open');
      feed.close();
      await settle();
      assert.equal(clock.pending, 0);
    });
  }

  it('because it has become a legacy one is listened to as such', async () => {
    const gets = new FakeStreams();
    const modern = modernScript();
    const legacy = legacyScript(undefined, { listen: gets.script });
    let isModern = true;
    const { link, clock } = scene((seen) => (isModern ? modern(seen) : legacy(seen)));
    await link.face();
    isModern = false;
    const { feed, at } = listen(link);
    await settle();
    await clock.advance(1_000);
    await gets.nth(0);
    await until(() => at().at(-1) === 'open');
    assert.ok(!isFault(await feed.subscribe('a://1', new AbortController())));
    feed.close();
  });
});

describe('subscriptions of a modern feed', () => {
  it('open a stream anew with the URI and close the old one a moment later; nothing is lost or doubled', async () => {
    const { link, clock, listens } = stage();
    const { feed, heard, at, gaps } = listen(link, { ...everything, uris: ['a://0'] });
    await listens.nth(0);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const subscribed = feed.subscribe('a://1', new AbortController());
    const next = await listens.nth(1);
    assert.deepEqual(filterOf(listens.seen(1))['resourceSubscriptions'], ['a://0', 'a://1']);
    listens.update(0, 'a://0');
    await until(() => heard.length === 1);
    next.send(acknowledged(listens.seen(1)));
    assert.deepEqual(await subscribed, { kind: 'result', text: '{}' });
    assert.equal(listens.at(0).aborted, false);
    listens.update(0, 'a://0');
    listens.update(1, 'a://0');
    listens.update(1, 'a://1');
    listens.update(1, 'a://0');
    listens.update(0, 'a://0');
    await until(() => heard.length === 4);
    await clock.advance(250);
    assert.ok(listens.at(0).aborted);
    listens.update(1, 'a://0');
    await until(() => heard.length === 5);
    assert.deepEqual([...uris(heard)].sort(), ['a://0', 'a://0', 'a://0', 'a://0', 'a://1']);
    assert.deepEqual(at(), ['open']);
    assert.equal(gaps(), 0);
    feed.close();
    await until(() => next.aborted);
    assert.equal(clock.pending, 0);
  });

  it('are counted: the last unsubscribe opens a stream without the URI', async () => {
    const { link, clock, listens } = stage();
    const { feed, at } = listen(link);
    await until(() => at().length === 1);
    const abort = new AbortController();
    for (let time = 0; time < 2; time += 1)
      assert.deepEqual(await feed.subscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 2);
    assert.deepEqual(await feed.unsubscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 2);
    assert.deepEqual(await feed.unsubscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 3);
    assert.equal(filterOf(listens.seen(2))['resourceSubscriptions'], undefined);
    assert.deepEqual(await feed.unsubscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(listens.count, 3);
    assert.deepEqual(await feed.setLogLevel('debug', abort), { kind: 'result', text: '{}' });
    await clock.advance(250);
    assert.deepEqual(
      [0, 1, 2].map((one) => listens.at(one).aborted),
      [true, true, false],
    );
    feed.close();
  });

  it('come one after the other, and more than two streams are never open', async () => {
    const { link, listens } = stage();
    const { feed, at } = listen(link);
    await until(() => at().length === 1);
    const abort = new AbortController();
    const replies = await Promise.all(['a://1', 'a://2', 'a://3'].map((uri) => feed.subscribe(uri, abort)));
    assert.ok(replies.every((reply) => !isFault(reply)));
    assert.deepEqual(filterOf(listens.seen(3))['resourceSubscriptions'], ['a://1', 'a://2', 'a://3']);
    await settle();
    assert.deepEqual(
      [0, 1, 2, 3].map((one) => listens.at(one).aborted),
      [true, true, false, false],
    );
    feed.close();
  });

  it('that the server does not honour are refused, and the stream that was open stays', async () => {
    const { link, listens } = stage();
    const { feed, heard, at } = listen(link);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const subscribed = feed.subscribe('a://1', new AbortController());
    (await listens.nth(1)).send(acknowledged(listens.seen(1), { toolsListChanged: true }));
    assert.partialDeepStrictEqual(await subscribed, { kind: 'error', code: -32602 });
    await until(() => listens.at(1).aborted);
    assert.equal(listens.at(0).aborted, false);
    listens.say(0, 'notifications/tools/list_changed');
    await until(() => heard.length === 1);
    feed.close();
  });

  it('that fail are told so, and the stream that was open stays', async () => {
    const acts: (Act | undefined)[] = [undefined, { fault: 'unreachable', detail: 'no', neverLeft: true }];
    const { link, listens } = stage((seen) =>
      acts.length > 0 ? acts.shift() : error(seen, -32602, 'Too many', 400),
    );
    const { feed, at } = listen(link, { ...everything, uris: ['a://0'] });
    await until(() => at().length === 1);
    const abort = new AbortController();
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), { fault: 'upstream_unavailable' });
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), { kind: 'error', code: -32602 });
    acts.push({ fault: 'unreachable', detail: 'no', neverLeft: true });
    assert.partialDeepStrictEqual(await feed.unsubscribe('a://0', abort), { fault: 'upstream_unavailable' });
    assert.equal(listens.at(0).aborted, false);
    feed.close();
  });

  it('are taken back by a caller that gives up', async () => {
    const { link, peer, listens } = stage();
    const { feed, at } = listen(link);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const [one, two] = [new AbortController(), new AbortController()];
    const first = feed.subscribe('a://1', one);
    const second = feed.subscribe('a://2', two);
    await listens.nth(1);
    two.abort();
    one.abort();
    assert.deepEqual(await first, { fault: 'cancelled' });
    assert.deepEqual(await second, { fault: 'cancelled' });
    await until(() => listens.at(1).aborted);
    listens.acknowledges = true;
    await feed.subscribe('a://3', new AbortController());
    assert.deepEqual(filterOf(listens.seen(2))['resourceSubscriptions'], ['a://3']);
    assert.equal(peer.count('subscriptions/listen'), 3);
    feed.close();
  });

  it('of a feed that waits open it at once, and are there again after it was lost', async () => {
    const { link, clock, listens } = stage();
    const { feed, at, gaps } = listen(link);
    await until(() => at().length === 1);
    listens.at(0).fail('the socket was reset');
    await until(() => at().at(-1) === 'waiting');
    assert.deepEqual(await feed.subscribe('a://1', new AbortController()), { kind: 'result', text: '{}' });
    await until(() => gaps() === 1);
    assert.deepEqual(at(), ['open', 'waiting', 'open']);
    assert.equal(listens.count, 2);
    assert.equal(clock.pending, 0);
    listens.at(1).fail('the socket was reset');
    await settle();
    await clock.advance(1_000);
    await listens.nth(2);
    assert.deepEqual(filterOf(listens.seen(2))['resourceSubscriptions'], ['a://1']);
    feed.close();
  });

  it('of a feed that is lost meanwhile are made once it is there again', async () => {
    const { link, listens } = stage();
    const { feed, at, gaps } = listen(link);
    await until(() => at().length === 1);
    listens.acknowledges = false;
    const subscribed = feed.subscribe('a://1', new AbortController());
    const next = await listens.nth(1);
    listens.at(0).fail('the socket was reset');
    await until(() => at().at(-1) === 'waiting');
    listens.acknowledges = true;
    next.send(acknowledged(listens.seen(1)));
    assert.deepEqual(await subscribed, { kind: 'result', text: '{}' });
    await until(() => gaps() === 1);
    assert.equal(listens.count, 3);
    assert.ok(listens.at(1).aborted);
    feed.close();
  });

  it('of a feed that waits may be taken back without a word to the server', async () => {
    const { link, clock, listens } = stage();
    const { feed, at } = listen(link, { ...everything, uris: ['a://1'] });
    await until(() => at().length === 1);
    listens.at(0).fail('the socket was reset');
    await until(() => at().at(-1) === 'waiting');
    assert.deepEqual(await feed.unsubscribe('a://1', new AbortController()), { kind: 'result', text: '{}' });
    await settle();
    await clock.advance(375);
    await listens.nth(1);
    assert.equal(filterOf(listens.seen(1))['resourceSubscriptions'], undefined);
    feed.close();
  });
});

describe('a modern feed that is closed', () => {
  it('while it begins leaves nothing open', async () => {
    for (const gated of ['server/discover', 'subscriptions/listen']) {
      const gate = Promise.withResolvers<void>();
      const listens = new Listens();
      const { link, clock } = scene(async (seen) => {
        if (seen.method === gated) await gate.promise;
        return seen.method === 'server/discover'
          ? json(200, {
              jsonrpc: '2.0',
              id: seen.message['id'] ?? null,
              result: { supportedVersions: ['2026-07-28'], capabilities: {} },
            })
          : listens.listen(seen);
      });
      const { feed, at } = listen(link);
      await settle();
      feed.close();
      gate.resolve();
      await settle();
      assert.deepEqual(at(), []);
      assert.ok(listens.opened.every(({ stream }) => stream.aborted));
      assert.equal(clock.pending, 0);
    }
  });

  it('while it waits has no timer left', async () => {
    const { link, clock } = stage(() => text(503, ''));
    const { feed, states } = listen(link);
    await until(() => states.length === 1);
    await settle();
    assert.equal(clock.pending, 1);
    await link.close();
    await settle();
    assert.equal(clock.pending, 0);
    assert.deepEqual(await feed.subscribe('a://1', new AbortController()), { fault: 'cancelled' });
  });
});
