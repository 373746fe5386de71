/** A stream that ends before the answer is gone on with behind its last event, where the server gives its events ids. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, type Reply } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import type { Ask } from './ask.ts';
import {
  answer,
  answersTo,
  asksBack,
  FakeStreams,
  faulted,
  legacyScript,
  modernScript,
  question,
  scene,
  termsOf,
  text,
  until,
  type Script,
} from './fake-peer.fixture.ts';

const priming = (id: string, retryMs?: number): string =>
  `id: ${id}\n${retryMs === undefined ? '' : `retry: ${retryMs}\n`}data:\n\n`;

/** A call on a stream of its own; GET is served by `listen`. */
function polled(listen?: Script, bounds = {}, version = '2025-11-25', transport: 'http' | 'sse' = 'http') {
  const calls = new FakeStreams();
  const gets = new FakeStreams();
  const serve: Script = (seen) => (seen.method === 'tools/call' ? calls.script(seen) : answer(seen, {}));
  const script = legacyScript(serve, { listen: listen ?? gets.script, version });
  const stage = scene(script, bounds, transport);
  const begin = async (over: Partial<Ask> = {}) => {
    const answered = stage.ask(over);
    const stream = await calls.nth(0);
    return { answered, stream };
  };
  const result = () => ({ jsonrpc: '2.0', id: calls.seen(0).message['id'] ?? null, result: { done: true } });
  return { ...stage, calls, gets, begin, result };
}

describe('a stream that the server closes on purpose', () => {
  it('is asked for again where its id came without any data', async () => {
    const { clock, gets, begin, result } = polled();
    const { answered, stream } = await begin();
    stream.push('id: e1\n\nid: e2\ndata: {"cut');
    stream.end();
    await settle();
    await clock.advance(1_000);
    const next = await gets.nth(0);
    assert.equal(gets.seen(0).request.headers['last-event-id'], 'e1', 'the event that was cut comes again');
    next.send(result());
    next.end();
    assert.partialDeepStrictEqual(await answered, { reply: { text: '{"done":true}' } });
  });

  it('is asked for again after the time that the server named, behind its last event', async () => {
    const { clock, gets, begin, result } = polled();
    let polls = 0;
    const { answered, stream } = await begin({ onPolling: () => (polls += 1) });
    stream.push(priming('e1', 500));
    await settle();
    assert.equal(polls, 0);
    stream.end();
    await settle();
    assert.equal(polls, 1, 'the caller hears of it before the wait');
    await clock.advance(499);
    assert.equal(gets.count, 0);
    await clock.advance(1);
    const next = await gets.nth(0);
    const { headers } = gets.seen(0).request;
    assert.equal(headers['last-event-id'], 'e1');
    assert.equal(headers['accept'], 'text/event-stream');
    assert.equal(headers['mcp-session-id'], 's2');
    assert.equal(headers['mcp-protocol-version'], '2025-11-25');
    assert.equal(gets.seen(0).request.body, undefined);
    next.send(result());
    next.end();
    assert.partialDeepStrictEqual(await answered, { reply: { text: '{"done":true}' } });
    await settle();
    assert.equal(clock.pending, 0);
  });

  it('may be closed again and again; notifications and questions come on whichever there is', async () => {
    const { peer, clock, gets, begin, result } = polled();
    const heard: string[] = [];
    const asked: string[] = [];
    const onRequest = ({ method }: { method: string }): Promise<Reply> => {
      asked.push(method);
      return Promise.resolve({ kind: 'result', text: '{}' });
    };
    const { answered, stream } = await begin({ onNotification: (one) => heard.push(one), onRequest });
    stream.push(priming('0', 100));
    stream.end();
    for (let round = 0; round < 8; round += 1) {
      await clock.advance(100);
      const next = await gets.nth(round);
      assert.equal(gets.seen(round).request.headers['last-event-id'], String(round));
      if (round === 3) next.send(question('q'));
      next.push(`id: ${round + 1}\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n`);
      next.end();
      await settle();
    }
    await clock.advance(100);
    (await gets.nth(8)).send(result());
    assert.partialDeepStrictEqual(await answered, { reply: { kind: 'result' } });
    assert.equal(heard.length, 8);
    assert.deepEqual(asked, ['elicitation/create']);
    assert.equal(answersTo(peer, 'q').length, 1);
  });

  it('that broke is asked for again without a time named, and again after an outage', async () => {
    let outages = 2;
    const gets = new FakeStreams();
    const { clock, begin, result } = polled((seen) => {
      outages -= 1;
      if (outages === 1) return { fault: 'unreachable', detail: 'refused', neverLeft: true };
      return outages === 0 ? text(503, '') : gets.script(seen);
    });
    const { answered, stream } = await begin();
    stream.push(priming('e1'));
    await settle();
    stream.fail('the socket was reset');
    await clock.advance(375 + 750 + 1_500);
    (await gets.nth(0)).send(result());
    assert.partialDeepStrictEqual(await answered, { reply: { kind: 'result' } });
  });
});

describe('a stream that cannot be gone on with', () => {
  for (const [name, status] of [
    ['refuses it', 405],
    ['does not know the event', 400],
  ] as const) {
    it(`is broken where the server ${name}`, async () => {
      const { peer, clock, begin } = polled(() => text(status, ''));
      const { answered, stream } = await begin();
      stream.push(priming('e1', 10));
      stream.end();
      await settle();
      await clock.advance(50);
      assert.equal(faulted(await answered).fault, 'upstream_broken');
      assert.equal(peer.count('GET'), 1);
      assert.equal(clock.pending, 0);
    });
  }

  it('is broken after four tries that brought nothing', async () => {
    const { peer, clock, begin } = polled(() => text(503, ''));
    const { answered, stream } = await begin();
    stream.push(priming('e1'));
    stream.end();
    await settle();
    await clock.advance(60_000);
    assert.equal(faulted(await answered).fault, 'upstream_broken');
    assert.equal(peer.count('GET'), 4);
  });

  it('is broken where its events have no ids, or ids that are no header', async () => {
    for (const chunk of ['data: \n\n', 'id: a\u00e4\ndata:\n\n', 'id:\ndata:\n\n']) {
      const { peer, begin } = polled();
      const { answered, stream } = await begin();
      stream.push(chunk);
      stream.end();
      assert.equal(faulted(await answered).fault, 'upstream_broken');
      assert.equal(peer.count('GET'), 0);
    }
  });

  it('is broken in a version without resumption, and over HTTP+SSE', async () => {
    for (const stage of [polled(undefined, {}, '2024-11-05'), polled(undefined, {}, '2025-11-25', 'sse')]) {
      const { answered, stream } = await stage.begin();
      stream.push(priming('e1', 1));
      stream.end();
      assert.equal(faulted(await answered).fault, 'upstream_broken');
      assert.equal(stage.gets.count, 0);
    }
  });

  it('is broken in the modern era, which has no resumption', async () => {
    const calls = new FakeStreams();
    const { peer, ask } = scene(modernScript(calls.script));
    const answered = ask();
    const stream = await calls.nth(0);
    stream.push(priming('e1', 1));
    stream.end();
    assert.equal(faulted(await answered).fault, 'upstream_broken');
    assert.equal(peer.count('GET'), 0);
  });

  it('is not closed for ever: a server that never answers is broken after a thousand times', async () => {
    let round = 0;
    const { peer, clock, begin } = polled((seen) => {
      const streams = new FakeStreams();
      const response = streams.script(seen);
      streams.at(0).push(priming(String((round += 1)), 0));
      streams.at(0).end();
      return response;
    });
    const { answered, stream } = await begin();
    stream.push(priming('0', 0));
    stream.end();
    await clock.advance(60_000);
    assert.equal(faulted(await answered).fault, 'upstream_broken');
    assert.equal(peer.count('GET'), 1_000);
  });
});

describe('the bounds of a call', () => {
  it('hold between its streams: a caller that gives up is not resumed for', async () => {
    const { peer, clock, begin } = polled();
    const abort = new AbortController();
    const { answered, stream } = await begin({ abort });
    stream.push(priming('e1', 5_000));
    stream.end();
    await settle();
    abort.abort();
    assert.deepEqual(await answered, { fault: 'cancelled' });
    await settle();
    assert.equal(clock.pending, 0);
    assert.equal(peer.count('GET'), 0);
    await until(() => peer.count('notifications/cancelled') === 1);
  });

  it('hold over all of its streams', async () => {
    const { clock, gets, begin } = polled(undefined, { timeoutMs: 1_000 });
    const { answered, stream } = await begin({ wholeMs: 1_500 });
    stream.push(priming('e1', 1_200));
    stream.end();
    await clock.advance(1_200);
    await gets.nth(0);
    await clock.advance(300);
    assert.deepEqual(await answered, { fault: 'upstream_timeout', server: 'fake', timeoutMs: 1_500 });
  });

  it('hold for a server that does not begin to answer again', async () => {
    const { clock, begin } = polled(() => 'silence', { timeoutMs: 1_000 });
    const { answered, stream } = await begin();
    stream.push(priming('e1', 100));
    stream.end();
    await settle();
    await clock.advance(1_100);
    assert.deepEqual(await answered, { fault: 'upstream_timeout', server: 'fake', timeoutMs: 1_000 });
    assert.ok(isFault(await answered));
  });

  it('speak of nothing else: the GET stream of a session is another one', async () => {
    const terms = termsOf('alice', { capabilities: asksBack });
    const { clock, gets, begin, result } = polled();
    const { answered, stream } = await begin({ terms });
    await gets.nth(0);
    assert.equal(gets.seen(0).request.headers['last-event-id'], undefined);
    stream.push(priming('e1', 100));
    stream.end();
    await settle();
    await clock.advance(100);
    const next = await gets.nth(1);
    assert.equal(gets.seen(1).request.headers['last-event-id'], 'e1');
    next.send(result());
    assert.ok(!isFault(await answered));
    await settle();
    assert.ok(gets.at(0).aborted);
  });
});
