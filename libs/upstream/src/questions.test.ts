/** What a legacy server asks in the middle of a call reaches its caller, and the answer goes back over the same session. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, type Question, type Reply } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import type { Ask } from './ask.ts';
import {
  answer,
  answersTo,
  asksBack,
  FakeStream,
  faulted,
  legacyScript,
  question,
  scene,
  termsOf,
  until,
  type Script,
} from './fake-peer.fixture.ts';

interface Put {
  readonly question: Question;
  readonly signal: AbortSignal;
  readonly answer: (reply: Reply) => void;
}

const accept: Reply = { kind: 'result', text: '{"action":"accept","content":{"n":1.0}}' };
const terms = termsOf('alice', { capabilities: asksBack, exclusive: true });

/** A call under way, whose questions the test answers. */
function talking(bounds = {}, over: Partial<Ask> = {}) {
  const stream = new FakeStream();
  const serve: Script = (seen) => (seen.method === 'tools/call' ? stream.respond(seen) : answer(seen, {}));
  const stage = scene(legacyScript(serve), bounds);
  const put: Put[] = [];
  const onRequest = (asked: Question, signal: AbortSignal): Promise<Reply> => {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    put.push({ question: asked, signal, answer: resolve });
    return promise;
  };
  const abort = new AbortController();
  const call = async () => {
    const answered = stage.ask({ terms, onRequest, abort, ...over });
    await until(() => stage.peer.count('tools/call') === 1);
    return { answered };
  };
  const done = (): void => {
    const id = stage.peer.seen.find(({ method }) => method === 'tools/call')?.message['id'] ?? null;
    stream.send({ jsonrpc: '2.0', id, result: { done: true } });
  };
  const ask = async (id: string | number, method?: string, params?: object): Promise<Put> => {
    const before = put.length;
    stream.send(question(id, method, params as never));
    await until(() => put.length > before);
    return put[before] ?? assert.fail();
  };
  return { ...stage, stream, put, abort, call, done, ask };
}

describe('a question in the middle of a call', () => {
  it('is handed on as it came, and its answer goes back to the letter, with the id of the server', async () => {
    const { stream, peer, put, call, done } = talking();
    const { answered } = await call();
    stream.push(
      'data: {"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":{"message":"Sure?", "n":1.0}}\n\n',
    );
    await until(() => put.length === 1);
    assert.deepEqual(put[0]?.question, {
      method: 'elicitation/create',
      paramsText: '{"message":"Sure?", "n":1.0}',
    });
    put[0]?.answer(accept);
    await until(() => peer.count('answer') === 1);
    const told = peer.seen.find(({ method }) => method === 'answer') ?? assert.fail();
    assert.equal(
      told.request.body,
      '{"jsonrpc":"2.0","id":"q-1","result":{"action":"accept","content":{"n":1.0}}}',
    );
    assert.equal(told.session, 's2');
    assert.equal(told.request.headers['mcp-protocol-version'], '2025-11-25');
    done();
    assert.partialDeepStrictEqual(await answered, { reply: { text: '{"done":true}' } });
  });

  it('may be answered with an error, and may have no params', async () => {
    const { stream, peer, put, call, done } = talking();
    const { answered } = await call();
    stream.send({ jsonrpc: '2.0', id: 7, method: 'roots/list' });
    await until(() => put.length === 1);
    assert.deepEqual(put[0]?.question, { method: 'roots/list', paramsText: '{}' });
    put[0]?.answer({ kind: 'error', code: -1, text: '{"code":-1,"message":"User rejected"}' });
    await until(() => answersTo(peer, 7).length === 1);
    assert.deepEqual(answersTo(peer, 7)[0]?.['error'], { code: -1, message: 'User rejected' });
    done();
    await answered;
  });

  it('is one of several that may be out together, answered in any order', async () => {
    const { peer, ask, call, done } = talking();
    const { answered } = await call();
    const [one, two] = [await ask(1), await ask(2, 'sampling/createMessage')];
    two.answer(accept);
    await until(() => answersTo(peer, 2).length === 1);
    one.answer(accept);
    await until(() => answersTo(peer, 1).length === 1);
    done();
    assert.ok(!isFault(await answered));
  });

  it('that comes twice with one id is put once', async () => {
    const { stream, peer, put, ask, call, done } = talking();
    const { answered } = await call();
    const one = await ask(1);
    stream.send(question(1));
    await settle();
    assert.equal(put.length, 1);
    one.answer(accept);
    await until(() => answersTo(peer, 1).length === 1);
    done();
    await answered;
  });

  for (const [name, method, params, code] of [
    ['ping, which is answered here', 'ping', {}, undefined],
    ['a method that no client serves', 'tasks/get', {}, -32601],
    ['params that are no object', 'elicitation/create', [1], -32602],
  ] as const) {
    it(`does not reach the caller where it is ${name}`, async () => {
      const { stream, peer, put, call, done } = talking();
      const { answered } = await call();
      stream.send(question('x', method, params as never));
      await until(() => answersTo(peer, 'x').length === 1);
      const [told] = answersTo(peer, 'x');
      assert.partialDeepStrictEqual(told, code === undefined ? { result: {} } : { error: { code } });
      assert.equal(put.length, 0);
      done();
      await answered;
    });
  }

  it('beyond 64 that are out is refused', async () => {
    const { stream, peer, put, call, done } = talking();
    const { answered } = await call();
    for (let id = 1; id <= 65; id += 1) stream.send(question(id));
    await until(() => answersTo(peer, 65).length === 1);
    assert.partialDeepStrictEqual(answersTo(peer, 65)[0], { error: { code: -32603 } });
    assert.equal(put.length, 64);
    done();
    await answered;
    assert.ok(put.every(({ signal }) => signal.aborted));
  });

  it('whose asking fails is answered with an error', async () => {
    const onRequest = (): Promise<Reply> => Promise.reject(new Error('a bug'));
    const { stream, peer, call, done } = talking({}, { onRequest });
    const { answered } = await call();
    stream.send(question(1));
    await until(() => answersTo(peer, 1).length === 1);
    assert.partialDeepStrictEqual(answersTo(peer, 1)[0], { error: { code: -32603 } });
    done();
    await answered;
  });
});

describe('while a question is out', () => {
  it('silence has no bound, and it has one again afterwards', async () => {
    const { peer, clock, ask, call } = talking({ timeoutMs: 1_000 });
    const { answered } = await call();
    await clock.advance(900);
    const one = await ask(1);
    await clock.advance(50_000);
    one.answer(accept);
    await until(() => answersTo(peer, 1).length === 1);
    await clock.advance(999);
    assert.equal(peer.count('notifications/cancelled'), 0);
    await clock.advance(1);
    assert.deepEqual(await answered, { fault: 'upstream_timeout', server: 'fake', timeoutMs: 1_000 });
    await until(() => peer.count('notifications/cancelled') === 1);
    assert.equal(clock.pending, 0);
  });

  it('silence is bounded again only when the last of several is answered', async () => {
    const { peer, clock, ask, call, done } = talking({ timeoutMs: 1_000 });
    const { answered } = await call();
    const [one, two] = [await ask(1), await ask(2)];
    one.answer(accept);
    await until(() => answersTo(peer, 1).length === 1);
    await clock.advance(5_000);
    two.answer(accept);
    await until(() => answersTo(peer, 2).length === 1);
    done();
    assert.ok(!isFault(await answered));
  });

  it('the bound of the whole holds; nothing is posted when it is over', async () => {
    const { peer, clock, ask, call } = talking({ timeoutMs: 1_000 }, { wholeMs: 3_000 });
    const { answered } = await call();
    const one = await ask(1);
    await clock.advance(3_000);
    assert.deepEqual(await answered, { fault: 'upstream_timeout', server: 'fake', timeoutMs: 3_000 });
    assert.ok(one.signal.aborted);
    one.answer(accept);
    await settle();
    assert.equal(answersTo(peer, 1).length, 0);
  });

  it('a caller that gives up takes it back: nothing is posted for it, and the server is told of the call', async () => {
    const { peer, abort, ask, call } = talking();
    const { answered } = await call();
    const one = await ask(1);
    abort.abort();
    assert.ok(one.signal.aborted, 'at once');
    one.answer(accept);
    assert.deepEqual(await answered, { fault: 'cancelled' });
    await until(() => peer.count('notifications/cancelled') === 1);
    assert.equal(peer.count('answer'), 0);
  });

  it('the answer of the call may come: the question is taken back', async () => {
    const { peer, ask, call, done } = talking();
    const { answered } = await call();
    const one = await ask(1);
    done();
    assert.partialDeepStrictEqual(await answered, { reply: { kind: 'result' } });
    assert.ok(one.signal.aborted);
    one.answer(accept);
    await settle();
    assert.equal(peer.count('answer'), 0);
  });

  it('the server may take it back; the call goes on', async () => {
    const heard: string[] = [];
    const { stream, peer, ask, call, done } = talking({}, { onNotification: (text) => heard.push(text) });
    const { answered } = await call();
    const [one, two] = [await ask('a'), await ask('b')];
    stream.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'a' } });
    await until(() => one.signal.aborted);
    assert.equal(two.signal.aborted, false);
    one.answer(accept);
    two.answer(accept);
    await until(() => answersTo(peer, 'b').length === 1);
    stream.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: {} });
    stream.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: 1 });
    done();
    assert.ok(!isFault(await answered));
    assert.equal(answersTo(peer, 'a').length, 0);
    assert.deepEqual(heard, [], 'it is no news for the caller');
  });

  it('the end of the stream ends the call', async () => {
    const { stream, peer, ask, call } = talking();
    const { answered } = await call();
    const one = await ask(1);
    stream.end();
    assert.equal(faulted(await answered).fault, 'upstream_broken');
    assert.ok(one.signal.aborted);
    one.answer(accept);
    await settle();
    assert.equal(peer.count('answer'), 0);
  });
});

describe('a call that can answer questions', () => {
  it('is given up at its bound though the server has not even begun to answer', async () => {
    const { peer, clock, ask } = scene(
      legacyScript(() => 'silence'),
      { timeoutMs: 1_000 },
    );
    const answered = ask({ terms, onRequest: () => Promise.resolve(accept) });
    await until(() => peer.count('tools/call') === 1);
    await clock.advance(1_000);
    assert.deepEqual(await answered, { fault: 'upstream_timeout', server: 'fake', timeoutMs: 1_000 });
  });

  it('leaves no timer behind, and no stream that a server refused is asked for again', async () => {
    const { link, clock, ask, peer } = scene(legacyScript());
    await link.face();
    assert.ok(!isFault(await ask({ terms, onRequest: () => Promise.resolve(accept), wholeMs: 5_000 })));
    await settle();
    assert.equal(clock.pending, 0);
    assert.ok(!isFault(await ask({ terms, onRequest: () => Promise.resolve(accept) })));
    assert.equal(peer.count('tools/call'), 2);
    assert.equal(peer.count('GET'), 1);
  });
});
