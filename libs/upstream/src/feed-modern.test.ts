/** Listening to a modern server: one stream, acknowledged, and opened again when it ends. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, type Json, type ListenFilter } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
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
  type Seen,
} from './fake-peer.fixture.ts';
import { acknowledged, filterOf, listen, Listens, stage, stamped } from './feed-modern.fixture.ts';

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
