/** The GET stream of a session: there while a call may be asked over it, and never else. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isFault, type Question, type Reply } from '@cruvero/core';
import { settle } from '@cruvero/testkit';
import type { Ask } from './ask.ts';
import {
  answer,
  answersTo,
  asksBack,
  FakeStreams,
  legacyScript,
  question,
  scene,
  termsOf,
  text,
  until,
  type Script,
} from './fake-peer.fixture.ts';

const own = termsOf('alice', { capabilities: asksBack, exclusive: true });
const common = termsOf('alice', { capabilities: asksBack });
const progress = (token: unknown) => ({
  jsonrpc: '2.0',
  method: 'notifications/progress',
  params: { progressToken: token as string, progress: 1 },
});
const message = {
  jsonrpc: '2.0',
  method: 'notifications/message',
  params: { level: 'info', data: 'x' },
};

function eared(listen?: Script, transport: 'http' | 'sse' = 'http', bounds = {}) {
  const calls = new FakeStreams();
  const gets = new FakeStreams();
  const serve: Script = (seen) => (seen.method === 'tools/call' ? calls.script(seen) : answer(seen, {}));
  const script = legacyScript(serve, { listen: listen ?? gets.script });
  const stage = scene(script, bounds, transport);
  const asked: [string, Question][] = [];
  const heard: [string, string][] = [];
  /** A call under way; the name tells who was asked. */
  const call = async (name: string, over: Partial<Ask> = {}) => {
    const at = calls.count;
    const answered = stage.ask({
      terms: own,
      onRequest: (one): Promise<Reply> => {
        asked.push([name, one]);
        return Promise.resolve({ kind: 'result', text: JSON.stringify({ by: name }) });
      },
      onNotification: (one) => heard.push([name, one]),
      ...over,
    });
    await calls.nth(at);
    const done = async () => {
      calls.at(at).send({ jsonrpc: '2.0', id: calls.seen(at).message['id'] ?? null, result: {} });
      calls.at(at).end();
      return answered;
    };
    return { answered, done, seen: calls.seen(at) };
  };
  const names = () => heard.map(([name]) => name);
  return { ...stage, script, calls, gets, asked, heard, names, call };
}

describe('the stream of a session', () => {
  it('is open while a call runs over it that a server may ask, and is closed behind it', async () => {
    const { clock, gets, call } = eared();
    const one = await call('one');
    const ear = await gets.nth(0);
    const { headers } = gets.seen(0).request;
    assert.equal(headers['accept'], 'text/event-stream');
    assert.equal(headers['mcp-session-id'], one.seen.session);
    assert.ok(!isFault(await one.done()));
    await settle();
    assert.ok(ear.aborted);
    assert.equal(clock.pending, 0, 'no timer is left');
    const two = await call('two');
    await gets.nth(1);
    await two.done();
  });

  it('is not asked for where nothing can be answered', async () => {
    const { peer, call } = eared();
    const one = await call('one', { terms: termsOf('alice') });
    await one.done();
    assert.equal(peer.count('GET'), 0);
  });

  for (const status of [405, 404, 400, 200, 501]) {
    it(`is not asked for again where the server answers HTTP ${status}, nor is the call held up`, async () => {
      const { peer, call } = eared(() => text(status, ''));
      for (const name of ['one', 'two']) assert.ok(!isFault(await (await call(name)).done()));
      assert.equal(peer.count('GET'), status === 501 ? 2 : 1);
    });
  }

  it('is open before the call is sent in which a server may ask over it', async () => {
    const gets = new FakeStreams();
    const asked = Promise.withResolvers<void>();
    const { clock, peer, call } = eared(async (seen) => {
      await asked.promise;
      return gets.script(seen);
    });
    const calling = call('one');
    await until(() => peer.count('GET') === 1);
    await settle();
    assert.equal(peer.count('tools/call'), 0);
    asked.resolve();
    assert.ok(!isFault(await (await calling).done()));
    assert.equal(clock.pending, 0, 'no timer is left');
  });

  it('that is never answered holds one call up for a second, and no other', async () => {
    const { clock, peer, call } = eared(() => 'silence', 'http', { timeoutMs: 5_000 });
    const calling = call('one', { timeoutMs: 60_000 });
    await until(() => peer.count('GET') === 1);
    await clock.advance(999);
    assert.equal(peer.count('tools/call'), 0);
    await clock.advance(1);
    const one = await calling;
    await clock.advance(10_000);
    assert.ok(!isFault(await one.done()));
    await settle();
    assert.equal(peer.count('GET'), 1);
    assert.ok(!isFault(await (await call('two')).done()));
    assert.equal(peer.count('GET'), 2);
    await settle();
    assert.equal(clock.pending, 0);
  });

  it('that is waited for does not outlive a caller that gives up', async () => {
    const { clock, peer, call } = eared(() => 'silence');
    const abort = new AbortController();
    void call('one', { abort }).catch(() => undefined);
    await until(() => peer.count('GET') === 1);
    abort.abort();
    await settle();
    assert.equal(peer.count('tools/call'), 0);
    assert.equal(clock.pending, 0);
  });

  it('is tried again where another reader has it, and after an outage', async () => {
    const answers = [
      text(409, ''),
      text(503, ''),
      { fault: 'broken', detail: 'cut', neverLeft: false } as const,
    ];
    const gets = new FakeStreams();
    const { clock, peer, call } = eared((seen) => answers.shift() ?? gets.script(seen));
    const one = await call('one');
    await clock.advance(375 + 750 + 1_500);
    await gets.nth(0);
    assert.equal(peer.count('GET'), 4);
    await one.done();
  });

  it('that breaks is opened again behind its last event', async () => {
    const { clock, gets, call } = eared();
    const one = await call('one');
    const ear = await gets.nth(0);
    ear.push('id: 7\nretry: 2000\ndata:\n\n');
    await settle();
    ear.end();
    await clock.advance(1_999);
    assert.equal(gets.count, 1);
    await clock.advance(1);
    await gets.nth(1);
    assert.equal(gets.seen(1).request.headers['last-event-id'], '7');
    await one.done();
  });

  it('that holds what is no message is closed and opened again', async () => {
    const { clock, gets, call } = eared(undefined, 'http', { answerBytesMax: 1_000 });
    const one = await call('one');
    for (const [at, bad] of ['data: [1\n\n', `data: ${'x'.repeat(2_000)}`].entries()) {
      (await gets.nth(at)).push(bad);
      await until(() => gets.at(at).aborted);
      await clock.advance(1_000);
    }
    await gets.nth(2);
    await one.done();
  });
});

describe('what comes on the stream of a session', () => {
  it('asks the call that has the session for itself', async () => {
    const { peer, gets, asked, call } = eared();
    const [one, two] = [await call('one'), await call('two')];
    assert.notEqual(one.seen.session, two.seen.session);
    (await gets.nth(1)).send(question('q'));
    await until(() => answersTo(peer, 'q').length === 1);
    assert.deepEqual(answersTo(peer, 'q')[0]?.['result'], { by: 'two' });
    const told = peer.seen.find(({ method }) => method === 'answer');
    assert.equal(told?.session, two.seen.session);
    assert.equal(asked.length, 1);
    await one.done();
    await two.done();
  });

  it('asks the only call of a session that is not exclusive, and nobody where there are several', async () => {
    const { peer, gets, asked, call } = eared();
    const one = await call('one', { terms: common });
    const ear = await gets.nth(0);
    ear.send(question('q1'));
    await until(() => answersTo(peer, 'q1').length === 1);
    const two = await call('two', { terms: common });
    assert.equal(two.seen.session, one.seen.session);
    ear.send(question('q2'));
    ear.send(question('q3', 'ping', {}));
    await until(() => answersTo(peer, 'q3').length === 1);
    assert.partialDeepStrictEqual(answersTo(peer, 'q2')[0], { error: { code: -32601 } });
    assert.deepEqual(answersTo(peer, 'q3')[0]?.['result'], {});
    assert.deepEqual(
      asked.map(([name]) => name),
      ['one'],
    );
    await one.done();
    await two.done();
  });

  it('suspends the silence of the call that it asks', async () => {
    const { clock, gets, peer, call } = eared(undefined, 'sse', { timeoutMs: 1_000 });
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const one = await call('one', { onRequest: () => promise });
    (await gets.nth(0)).send(question('q'));
    await settle();
    await clock.advance(20_000);
    resolve({ kind: 'result', text: '{}' });
    await until(() => answersTo(peer, 'q').length === 1);
    assert.ok(!isFault(await one.done()));
  });

  it('takes back what was asked on the stream of the call', async () => {
    const { gets, calls, call } = eared();
    let signal: AbortSignal | undefined;
    const one = await call('one', {
      onRequest: (_question, taken) => {
        signal = taken;
        return new Promise(() => undefined);
      },
    });
    calls.at(0).send(question('q'));
    await until(() => signal !== undefined);
    (await gets.nth(0)).send({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: 'q' },
    });
    await until(() => signal?.aborted === true);
    assert.ok(!isFault(await one.done()));
  });

  it('is log and progress of the one call that runs', async () => {
    const { gets, heard, names, call } = eared();
    const one = await call('one');
    const ear = await gets.nth(0);
    ear.send(message);
    ear.send(progress('any'));
    await until(() => heard.length === 2);
    assert.deepEqual(names(), ['one', 'one']);
    await one.done();
  });

  it('is progress of the call with its token where several run; the log is nobody’s', async () => {
    const { gets, heard, call } = eared();
    const one = await call('one', { terms: common, metaChanges: { progressToken: 1 } });
    const two = await call('two', { terms: common, metaChanges: { progressToken: '1' } });
    const ear = await gets.nth(0);
    ear.send(message);
    ear.send(progress('1'));
    ear.send(progress('2'));
    ear.send({ jsonrpc: '2.0', method: 'notifications/progress' });
    ear.send(progress(1));
    await until(() => heard.length === 2);
    assert.deepEqual(
      heard.map(([name, one_]) => [name, /"progressToken":("?1"?)/.exec(one_)?.[1]]),
      [
        ['two', '"1"'],
        ['one', '1'],
      ],
    );
    await one.done();
    await two.done();
  });
});
