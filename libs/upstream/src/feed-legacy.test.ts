/** Listening to a legacy server: its session, its GET stream and its subscriptions are held, and questions answered. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, type ListenFilter, type Reply } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import {
  answer,
  answersTo,
  asksBack,
  error,
  FakeStreams,
  question,
  termsOf,
  text,
  until,
  type Script,
} from './fake-peer.fixture.ts';
import {
  alice,
  changed,
  everything,
  listen,
  nothing,
  paramsOf,
  stage,
  updated,
} from './feed-legacy.fixture.ts';

describe('a feed of a legacy server', () => {
  it('hears what the session hears, once it is open, until it is closed', async () => {
    const { link, peer, clock, gets } = stage();
    const { feed, heard, states, gaps } = listen(link);
    const ear = await gets.nth(0);
    assert.equal(gets.seen(0).session, 's2');
    ear.send(changed('tools'));
    ear.send(changed('prompts'));
    ear.send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info' } });
    ear.send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1 } });
    await until(() => heard.length === 3);
    assert.deepEqual(states, ['open']);
    assert.deepEqual(JSON.parse(heard[0] ?? ''), changed('tools'));
    feed.close();
    feed.close();
    await until(() => ear.aborted);
    assert.equal(clock.pending, 0, 'no timer is left');
    assert.equal(gaps(), 0);
    await clock.advance(600_000);
    link.sweep();
    await settle();
    assert.equal(peer.count('DELETE'), 2, 'nothing holds the session any more');
    assert.equal(heard.length, 3);
  });

  it('subscribes only when the stream is open over which it would hear', async () => {
    const { link, peer, gets } = stage();
    const { feed } = listen(link);
    const subscribed = feed.subscribe('a://1', new AbortController());
    assert.equal(peer.count('resources/subscribe'), 0);
    await gets.nth(0);
    assert.ok(!isFault(await subscribed));
    const order = peer.seen.map(({ method }) => method);
    assert.ok(order.indexOf('GET') < order.indexOf('resources/subscribe'), order.join());
    feed.close();
  });

  it('does not wait long for a stream whose head comes late', async () => {
    const never: Script = () => new Promise<never>(() => undefined);
    const { link, peer, clock } = stage(undefined, never);
    const { feed } = listen(link);
    const subscribed = feed.subscribe('a://1', new AbortController());
    await until(() => peer.count('GET') === 1);
    await clock.advance(999);
    assert.equal(peer.count('resources/subscribe'), 0);
    await clock.advance(1);
    assert.ok(!isFault(await subscribed));
    feed.close();
  });

  it('hears of the lists that it asked for, and of resources as soon as it has subscribed one', async () => {
    const { link, gets } = stage();
    const filter: ListenFilter = { ...nothing, lists: new Set(['prompts']) };
    const { feed, heard } = listen(link, alice, filter);
    const ear = await gets.nth(0);
    ear.send(changed('tools'));
    ear.send(changed('resources'));
    ear.send(updated('a://1'));
    ear.send(changed('prompts'));
    await until(() => heard.length === 1);
    assert.ok(!isFault(await feed.subscribe('a://1', new AbortController())));
    ear.send(updated('a://1'));
    await until(() => heard.length === 2);
    assert.deepEqual(JSON.parse(heard[1] ?? ''), updated('a://1'));
    feed.close();
  });

  it('holds its session though nobody else uses it', async () => {
    const { link, peer, clock, gets } = stage(undefined, undefined, { sessionIdleMs: 1_000, sessionsMax: 2 });
    const { feed } = listen(link);
    await gets.nth(0);
    await clock.advance(10_000);
    link.sweep();
    await settle();
    assert.deepEqual(
      peer.seen.filter(({ method }) => method === 'DELETE').map(({ session }) => session),
      ['s1'],
    );
    feed.close();
  });

  it('shares stream and session with the others of its terms', async () => {
    const { link, peer, gets, ask } = stage();
    const one = listen(link);
    const ear = await gets.nth(0);
    const two = listen(link, alice, { ...nothing, lists: new Set(['tools']) });
    await until(() => two.states.length === 1);
    await ask({ terms: alice });
    ear.send(changed('prompts'));
    ear.send(changed('tools'));
    await until(() => one.heard.length === 2);
    assert.equal(two.heard.length, 1);
    one.feed.close();
    ear.send(changed('tools'));
    await until(() => two.heard.length === 2);
    assert.equal(ear.aborted, false);
    two.feed.close();
    await until(() => ear.aborted);
    assert.equal(peer.count('GET'), 1);
    assert.equal(peer.count('initialize'), 2);
  });

  it('hears also what the server says on the stream of a call, but not what is of that call', async () => {
    const calls = new FakeStreams();
    const { link, gets, ask } = stage(calls.script);
    const { feed, heard } = listen(link);
    await gets.nth(0);
    const onCall: string[] = [];
    const answered = ask({ terms: alice, onNotification: (one) => onCall.push(one) });
    const stream = await calls.nth(0);
    stream.send(changed('tools'));
    stream.send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info' } });
    stream.send({ jsonrpc: '2.0', id: calls.seen(0).message['id'] ?? null, result: {} });
    await answered;
    assert.deepEqual(
      heard.map((one) => JSON.parse(one) as unknown),
      [changed('tools')],
    );
    assert.equal(onCall.length, 2);
    feed.close();
  });
});

describe('subscriptions of a legacy feed', () => {
  it('are made over its session, with the server’s own reply; the last one for a URI takes it back', async () => {
    const { link, peer, gets } = stage((seen) =>
      seen.method === 'resources/subscribe' && JSON.stringify(seen.message).includes('bad')
        ? error(seen, -32602, 'Unknown resource')
        : answer(seen, { _meta: { by: seen.method } }),
    );
    const { feed } = listen(link);
    await gets.nth(0);
    const abort = new AbortController();
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), {
      kind: 'result',
      text: '{"_meta":{"by":"resources/subscribe"}}',
    });
    await feed.subscribe('a://1', abort);
    assert.partialDeepStrictEqual(await feed.subscribe('a://bad', abort), { kind: 'error', code: -32602 });
    assert.partialDeepStrictEqual(await feed.unsubscribe('a://1', abort), { kind: 'result', text: '{}' });
    assert.equal(peer.count('resources/unsubscribe'), 0);
    assert.partialDeepStrictEqual(await feed.unsubscribe('a://1', abort), { kind: 'result' });
    assert.deepEqual(paramsOf(peer, 'resources/unsubscribe'), [['s2', { uri: 'a://1' }]]);
    await feed.unsubscribe('a://1', abort);
    assert.equal(peer.count('resources/unsubscribe'), 2, 'what it never had is for the server to refuse');
    feed.close();
  });

  it('do not wait for the call that has the session for itself', async () => {
    const calls = new FakeStreams();
    const { link, peer, gets, ask } = stage((seen) =>
      seen.method === 'tools/call' ? calls.script(seen) : answer(seen, {}),
    );
    const terms = termsOf('alice', { exclusive: true, capabilities: asksBack });
    const { feed } = listen(link, terms);
    await gets.nth(0);
    const answered = ask({ terms });
    await calls.nth(0);
    assert.equal(calls.seen(0).session, 's2');
    assert.ok(!isFault(await feed.subscribe('a://1', new AbortController())));
    assert.deepEqual(paramsOf(peer, 'resources/subscribe'), [['s2', { uri: 'a://1' }]]);
    calls.at(0).send({ jsonrpc: '2.0', id: calls.seen(0).message['id'] ?? null, result: {} });
    await answered;
    feed.close();
  });

  it('are heard around, and may be asked about, on the stream of their answer', async () => {
    const answers = new FakeStreams();
    const { link, peer, gets } = stage(answers.script);
    const { feed, heard } = listen(link, alice, everything, () =>
      Promise.resolve({ kind: 'result', text: '{"roots":[]}' }),
    );
    await gets.nth(0);
    const subscribed = feed.subscribe('a://1', new AbortController());
    const stream = await answers.nth(0);
    stream.send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info' } });
    stream.send(question('q', 'roots/list', {}));
    await until(() => answersTo(peer, 'q').length === 1);
    stream.send({ jsonrpc: '2.0', id: answers.seen(0).message['id'] ?? null, result: {} });
    assert.partialDeepStrictEqual(await subscribed, { kind: 'result' });
    assert.equal(heard.length, 1);
    assert.deepEqual(answersTo(peer, 'q')[0]?.['result'], { roots: [] });
    feed.close();
  });

  it('may be wanted from the beginning', async () => {
    const { link, peer, gets } = stage();
    const { feed } = listen(link, alice, { ...nothing, uris: ['a://1', 'a://2'] });
    await gets.nth(0);
    assert.deepEqual(paramsOf(peer, 'resources/subscribe'), [
      ['s2', { uri: 'a://1' }],
      ['s2', { uri: 'a://2' }],
    ]);
    feed.close();
  });

  it('are told what is wrong: the server, the way to it, or the feed itself', async () => {
    const replies = [
      text(500, ''),
      text(401, ''),
      { fault: 'unreachable', detail: 'no', neverLeft: true } as const,
    ];
    const { link, gets } = stage((seen) =>
      seen.method === 'resources/subscribe' ? (replies.shift() ?? answer(seen, {})) : answer(seen, {}),
    );
    const { feed } = listen(link);
    await gets.nth(0);
    const abort = new AbortController();
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), { fault: 'upstream_broken' });
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), {
      fault: 'upstream_unavailable',
      detail: "it refuses this gateway's credentials (HTTP 401)",
    });
    assert.partialDeepStrictEqual(await feed.subscribe('a://1', abort), { fault: 'upstream_unavailable' });
    abort.abort();
    assert.deepEqual(await feed.subscribe('a://1', abort), { fault: 'cancelled' });
    feed.close();
    assert.deepEqual(await feed.subscribe('a://1', new AbortController()), { fault: 'cancelled' });
  });

  it('have the log level beside them', async () => {
    const { link, peer, gets, script } = stage(undefined, undefined, {}, { logging: {}, resources: {} });
    const { feed } = listen(link);
    await gets.nth(0);
    assert.partialDeepStrictEqual(await feed.setLogLevel('debug', new AbortController()), { kind: 'result' });
    assert.deepEqual(paramsOf(peer, 'logging/setLevel'), [['s2', { level: 'debug' }]]);
    script.forget();
    assert.ok(!isFault(await feed.subscribe('a://1', new AbortController())));
    await until(() => peer.count('logging/setLevel') === 1);
    feed.close();
  });
});

describe('a legacy server that asks outside of any call', () => {
  it('is answered by the feed that can', async () => {
    const { link, peer, gets } = stage();
    const deaf = listen(link);
    const { feed } = listen(link, alice, everything, () =>
      Promise.resolve({ kind: 'result', text: '{"roots":[]}' }),
    );
    const ear = await gets.nth(0);
    await until(() => peer.count('GET') === 1);
    await settle();
    ear.send(question('q', 'roots/list', {}));
    await until(() => answersTo(peer, 'q').length === 1);
    assert.deepEqual(answersTo(peer, 'q')[0]?.['result'], { roots: [] });
    feed.close();
    await settle();
    ear.send(question('q2', 'roots/list', {}));
    await until(() => answersTo(peer, 'q2').length === 1);
    assert.partialDeepStrictEqual(answersTo(peer, 'q2')[0], { error: { code: -32601 } });
    deaf.feed.close();
  });

  for (const [exclusive, by] of [
    [true, 'call'],
    [false, 'feed'],
  ] as const) {
    it(`while a call runs is answered by the ${by} where the session is ${exclusive ? 'exclusive' : 'not'}`, async () => {
      const calls = new FakeStreams();
      const { link, peer, gets, ask } = stage((seen) =>
        seen.method === 'tools/call' ? calls.script(seen) : answer(seen, {}),
      );
      const terms = termsOf('alice', { exclusive, capabilities: asksBack });
      const answering = (name: string) => (): Promise<Reply> =>
        Promise.resolve({ kind: 'result', text: JSON.stringify({ by: name }) });
      const { feed } = listen(link, terms, everything, answering('feed'));
      const ear = await gets.nth(0);
      const answered = ask({ terms, onRequest: answering('call') });
      await calls.nth(0);
      ear.send(question('q'));
      await until(() => answersTo(peer, 'q').length === 1);
      assert.deepEqual(answersTo(peer, 'q')[0]?.['result'], { by });
      calls.at(0).send({ jsonrpc: '2.0', id: calls.seen(0).message['id'] ?? null, result: {} });
      await answered;
      feed.close();
    });
  }

  it('takes its question back by closing, or by saying so', async () => {
    const signals: AbortSignal[] = [];
    const { link, peer, gets } = stage();
    const feed = link.listen(alice, everything, {
      onNotification: () => undefined,
      onState: () => undefined,
      onGap: () => undefined,
      onRequest: (_question, signal) => {
        signals.push(signal);
        return new Promise(() => undefined);
      },
    });
    const ear = await gets.nth(0);
    ear.send(question('q1'));
    ear.send(question('q2'));
    await until(() => signals.length === 2);
    ear.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'q1' } });
    await until(() => signals[0]?.aborted === true);
    assert.equal(signals[1]?.aborted, false);
    feed.close();
    await until(() => signals[1]?.aborted === true);
    assert.equal(peer.count('answer'), 0);
  });
});
