/** What an own child asks reaches its client, and what the client answers reaches the child. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle } from '@cruvero/testkit';
import { asking, asks, say, reply, errors, questions, rigOf } from './own-child.fixture.ts';
import { call, Heard, response, textOf } from './rig.fixture.ts';

describe('a question', () => {
  it('comes on the stream of the call, under an id of the bridge, and its answer goes back under the child’s', async () => {
    await using one = await rigOf(asks);
    const headers = await one.session(asking);
    const got = await one.post(call('tools/call', { name: 'Name?' }, 'c'), headers);
    assert.equal(response(got).headers['content-type'], 'text/event-stream');
    const heard = new Heard(got);
    await settle();
    const question = heard.asked('elicitation/create');
    assert.deepEqual(question.params, { message: 'Name?' });
    const answer = { action: 'accept', content: { big: 1 } };
    assert.equal(response(await one.post(reply(question, answer), headers)).status, 202);
    await settle();
    assert.deepEqual(heard.messages.at(-1), { jsonrpc: '2.0', id: 'c', result: { answered: answer } });
    assert.equal(heard.over, 'ended');
    assert.deepEqual(one.children.last.messages.at(-1), { jsonrpc: '2.0', id: 1, result: answer });
    assert.equal(questions(one, 'answered'), 1);
    assert.equal(
      response(await one.post(reply(question, answer), headers)).status,
      202,
      'too late, and forgotten',
    );
    assert.equal(one.children.last.messages.filter(({ result }) => result !== undefined).length, 1);
  });

  it('finds its client among 64 whose children ask under the same id, about calls of the same id', async () => {
    await using one = await rigOf(asks, { ownChildrenMax: 64 });
    const sessions = await Promise.all(Array.from({ length: 64 }, () => one.session(asking)));
    const heard = await Promise.all(
      sessions.map(
        async (headers, i) => new Heard(await one.post(call('tools/call', { name: `q${i}` }), headers)),
      ),
    );
    await settle();
    const asked = heard.map((one) => one.asked('elicitation/create'));
    assert.deepEqual(
      asked.map(({ params }) => params?.['message']),
      sessions.map((_, i) => `q${i}`),
    );
    assert.equal(new Set(asked.map(({ id }) => id)).size, 64);
    // Somebody answers another's question: nothing comes of it.
    await one.post(reply(asked[1] ?? assert.fail(), { stolen: true }), sessions[0]);
    for (const [i, question] of [...asked.entries()].reverse())
      await one.post(reply(question, { i }), sessions[i]);
    await settle();
    for (const [i, { messages }] of heard.entries())
      assert.deepEqual(messages.at(-1)?.result, { answered: { i } });
  });

  it('goes to the call begun last, otherwise to the open stream', async () => {
    await using one = await rigOf(() => undefined);
    const headers = await one.session(asking);
    const stream = await one.listen(headers);
    const child = one.children.last;
    const ask = (id: number) => child.say({ jsonrpc: '2.0', id, method: 'roots/list' });
    ask(1);
    const [first, second] = [1, 2].map((id) => one.post(call('tools/call', {}, id), headers));
    await settle();
    ask(2);
    await settle();
    const late = new Heard((await second) ?? assert.fail());
    await settle();
    assert.deepEqual([stream.methods, late.methods], [['roots/list'], ['roots/list']]);
    const [a, b] = child.got('tools/call');
    child.result(a ?? assert.fail(), 1);
    child.result(b ?? assert.fail(), 2);
    assert.equal(
      textOf((await first) ?? assert.fail()),
      '{"jsonrpc":"2.0","id":1,"result":1}',
      'it stays JSON',
    );
    ask(3);
    await settle();
    assert.deepEqual(stream.methods, ['roots/list', 'roots/list']);
  });

  it('waits for a stream, and is answered when none comes', async () => {
    await using one = await rigOf(() => undefined);
    const headers = await one.session(asking);
    const child = one.children.last;
    child.say({ jsonrpc: '2.0', id: 'x', method: 'roots/list' });
    await one.clock.advance(29_999);
    assert.equal(errors(child).length, 0);
    await one.clock.advance(1);
    assert.deepEqual(
      errors(child).map(({ id, error }) => [id, error?.code]),
      [['x', -32603]],
    );
    child.say({ jsonrpc: '2.0', id: 'y', method: 'roots/list' });
    await one.clock.advance(10_000);
    const stream = await one.listen(headers);
    await settle();
    await one.post(reply(stream.asked('roots/list'), { roots: [] }), headers);
    assert.deepEqual(child.messages.at(-1), { jsonrpc: '2.0', id: 'y', result: { roots: [] } });
    await one.clock.advance(60_000);
    assert.equal(errors(child).length, 1, 'an answered question has no more time to run');
    assert.deepEqual([questions(one, 'unheard'), questions(one, 'answered')], [1, 1]);
  });

  it('holds no session whose client has left without an answer', async () => {
    await using one = await rigOf(() => undefined, { sessionIdleMs: 120_000, ownChildrenMax: 1 });
    const opened = async () => {
      const headers = await one.session(asking);
      const aborter = new AbortController();
      const stream = await one.listen(headers, aborter.signal);
      const child = one.children.last;
      child.say({ jsonrpc: '2.0', id: 1, method: 'roots/list' });
      await settle();
      return { headers, aborter, child, question: stream.asked('roots/list') };
    };
    const first = await opened();
    const refused = response(await one.post(call('initialize', { capabilities: asking })));
    assert.equal(refused.status, 503, 'while somebody listens it is in use');
    first.aborter.abort();
    await one.listen(first.headers);
    assert.equal(
      response(await one.post(reply(first.question, {}), first.headers)).status,
      202,
      'back in time',
    );
    const second = await opened();
    assert.equal(first.child.alive, false);
    second.aborter.abort();
    await one.clock.advance(240_000);
    assert.equal(second.child.alive, false);
    assert.equal(response(await one.post(reply(second.question, {}), second.headers)).status, 404);
  });

  it('waits no longer than its session lives', async () => {
    await using one = await rigOf(() => undefined);
    const headers = await one.session(asking);
    const timers = one.clock.pending;
    one.children.last.say({ jsonrpc: '2.0', id: 'x', method: 'roots/list' });
    assert.equal(one.clock.pending, timers + 1);
    await one.post(undefined, headers, { httpMethod: 'DELETE' });
    assert.equal(one.clock.pending, timers);
    assert.equal(questions(one, 'lost'), 1);
  });

  it('rides on the next call where nothing else is open', async () => {
    await using one = await rigOf(() => undefined);
    const headers = await one.session(asking);
    one.children.last.say({ jsonrpc: '2.0', id: 0, method: 'roots/list' });
    const heard = new Heard(await one.post(call('tools/call'), headers));
    await settle();
    assert.deepEqual(heard.methods, ['roots/list']);
  });

  it('is taken back where it was asked', async () => {
    await using one = await rigOf(asks);
    const headers = await one.session(asking);
    const heard = new Heard(await one.post(call('tools/call', { name: 'a' }), headers));
    await settle();
    const child = one.children.last;
    child.say(say('notifications/cancelled', { requestId: 99 }));
    child.say(say('notifications/cancelled', { requestId: 1, reason: 'bored' }));
    await settle();
    const { id } = heard.asked('elicitation/create');
    assert.deepEqual(
      heard.messages.at(-1),
      say('notifications/cancelled', { requestId: id, reason: 'bored' }),
    );
    assert.equal(heard.messages.length, 2);
    const before = child.lines.length;
    await one.post(reply({ id }, {}), headers);
    assert.equal(child.lines.length, before, 'its answer is not wanted any more');
    child.say({ jsonrpc: '2.0', id: 5, method: 'roots/list' });
    child.say(say('notifications/cancelled', { requestId: 5 }));
    assert.equal(questions(one, 'cancelled'), 2);
  });

  it('is answered for a client that went away, and the call is cancelled at the child', async () => {
    await using one = await rigOf(asks);
    const headers = await one.session(asking);
    const aborter = new AbortController();
    await one.post(call('tools/call', { name: 'a' }), headers, { signal: aborter.signal });
    const child = one.children.last;
    aborter.abort();
    assert.equal(
      child.got('notifications/cancelled')[0]?.params?.['requestId'],
      child.got('tools/call')[0]?.id,
    );
    assert.deepEqual(
      errors(child).map(({ id, error }) => [id, error?.code]),
      [[1, -32603]],
    );
    const second = new Heard(await one.post(call('tools/call', { name: 'b' }, 'again'), headers));
    await one.post(say('notifications/cancelled', { requestId: 'again' }), headers);
    await settle();
    assert.equal(second.messages.at(-1)?.error?.code, -31099);
    assert.equal(errors(child).length, 2);
    assert.equal(questions(one, 'lost'), 2);
  });

  it('is one of 64 at most, and never so large that its stream cannot carry it', async () => {
    await using one = await rigOf(() => undefined, { streamCharsMax: 10_000 });
    const headers = await one.session(asking);
    const stream = await one.listen(headers);
    const child = one.children.last;
    const ask = (id: number, params: object = {}) =>
      child.say({ jsonrpc: '2.0', id, method: 'sampling/createMessage', params });
    ask(1, { image: 'x'.repeat(900_000) });
    await settle();
    assert.equal(stream.messages.length, 1, 'larger than what may lie unread, but alone');
    ask(2, { image: 'x'.repeat(1_100_000) });
    for (let id = 3; id <= 70; id += 1) ask(id);
    await settle();
    assert.equal(stream.messages.length, 64);
    assert.deepEqual(
      errors(child).map(({ id }) => id),
      [2, 66, 67, 68, 69, 70],
    );
    child.say({ jsonrpc: '2.0', id: 'p', method: 'ping' });
    assert.deepEqual(child.messages.at(-1), { jsonrpc: '2.0', id: 'p', result: {} });
    child.takes = false;
    const answered = await one.post(reply(stream.messages[0] ?? assert.fail(), {}), headers);
    assert.equal(response(answered).status, 503);
    child.takes = true;
    assert.equal(
      response(await one.post(reply(stream.messages[0] ?? assert.fail(), {}), headers)).status,
      202,
    );
  });
});
