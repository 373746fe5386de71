/** Log levels and subscriptions of sessions that use one child together. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle } from '@cruvero/testkit';
import { legacyServer, type Behaviour } from './fake-children.fixture.ts';
import { LogLevels } from './log-levels.ts';
import { call, jsonOf, response, rig, type Heard, type Rig } from './rig.fixture.ts';
import { Subscriptions } from './subscriptions.ts';

const obliging: Behaviour = (child, message) => child.result(message, { by: 'child' });
const capabilities = { logging: {}, resources: { subscribe: true } };

interface User {
  readonly headers: Readonly<Record<string, string>>;
  readonly heard: Heard;
}

async function rigWith(more: Behaviour = obliging, bounds = {}) {
  const one = await rig(legacyServer(more, capabilities), { bounds });
  const user = async (): Promise<User> => {
    const headers = await one.session();
    return { headers, heard: await one.listen(headers) };
  };
  const ask = ({ headers }: User, method: string, params: object) => one.post(call(method, params), headers);
  const leave = ({ headers }: User) => one.post(undefined, headers, { httpMethod: 'DELETE' });
  return { one, user, ask, leave, [Symbol.asyncDispose]: () => one[Symbol.asyncDispose]() };
}

const levels = (one: Rig) => one.children.last.got('logging/setLevel').map(({ params }) => params?.['level']);
const uris = (one: Rig, method: string) =>
  one.children.last.got(`resources/${method}`).map(({ params }) => params?.['uri']);

function log(one: Rig, ...said: string[]): void {
  for (const level of said)
    one.children.last.say({
      jsonrpc: '2.0',
      method: 'notifications/message',
      params: { level, data: level },
    });
}

const logged = ({ heard }: User) => heard.messages.map(({ params }) => params?.['level']);
const updated = ({ heard }: User) => heard.messages.map(({ params }) => params?.['uri']);

describe('the log level of a child that many use', () => {
  it('is the most verbose that any session asked for, and each hears only its own', async () => {
    await using with3 = await rigWith();
    const { one, user, ask } = with3;
    const [quiet, loud, never] = [await user(), await user(), await user()];
    log(one, 'debug');
    assert.deepEqual(jsonOf(await ask(quiet, 'logging/setLevel', { level: 'error' })).result, {
      by: 'child',
    });
    await ask(loud, 'logging/setLevel', { level: 'info' });
    const held = await ask(quiet, 'logging/setLevel', { level: 'alert' });
    assert.deepEqual(jsonOf(held).result, {}, 'the child knows it already');
    assert.deepEqual(levels(one), ['error', 'info']);
    log(one, 'info', 'error', 'emergency', 'odd');
    await settle();
    assert.deepEqual(logged(quiet), ['debug', 'emergency', 'odd']);
    assert.deepEqual(logged(loud), ['debug', 'info', 'error', 'emergency', 'odd']);
    assert.deepEqual(logged(never), ['debug', 'info', 'error', 'emergency', 'odd']);
  });

  it('holds for messages on the stream of a call too', async () => {
    await using with1 = await rigWith((child, message) => {
      if (message.method !== 'tools/call') return obliging(child, message);
      for (const level of ['info', 'error'])
        child.say({ jsonrpc: '2.0', method: 'notifications/message', params: { level } });
      child.result(message, {});
    });
    const { user, ask } = with1;
    const quiet = await user();
    await ask(quiet, 'logging/setLevel', { level: 'critical' });
    assert.equal(response(await ask(quiet, 'tools/call', {})).body.kind, 'text');
    await ask(quiet, 'logging/setLevel', { level: 'error' });
    assert.equal(response(await ask(quiet, 'tools/call', {})).body.kind, 'stream');
  });

  it('goes back when the session that wanted it is over', async () => {
    await using with2 = await rigWith();
    const { one, user, ask, leave } = with2;
    const [quiet, loud] = [await user(), await user()];
    await ask(quiet, 'logging/setLevel', { level: 'error' });
    await ask(loud, 'logging/setLevel', { level: 'debug' });
    await leave(loud);
    assert.deepEqual(levels(one), ['error', 'debug', 'error']);
    await leave(quiet);
    assert.deepEqual(levels(one), ['error', 'debug', 'error', 'debug']);
  });

  it('is as it was where the child says no', async () => {
    let refuses = true;
    await using with1 = await rigWith((child, message) =>
      refuses ? child.error(message, -32601) : obliging(child, message),
    );
    const { one, user, ask } = with1;
    const wanting = await user();
    assert.equal(jsonOf(await ask(wanting, 'logging/setLevel', { level: 'error' })).error?.code, -32601);
    log(one, 'info');
    await settle();
    assert.deepEqual(logged(wanting), ['info']);
    assert.equal(jsonOf(await ask(wanting, 'logging/setLevel', { level: 'loud' })).error?.code, -32602);
    assert.equal(jsonOf(await ask(wanting, 'logging/setLevel', {})).error?.code, -32602);
    assert.deepEqual(levels(one), ['error']);
    refuses = false;
    await ask(wanting, 'logging/setLevel', { level: 'error' });
    refuses = true;
    await ask(wanting, 'logging/setLevel', { level: 'debug' });
    assert.deepEqual(
      levels(one),
      ['error', 'error', 'debug', 'error'],
      'nobody knows what the child has now',
    );
    log(one, 'info', 'error');
    await settle();
    assert.deepEqual(logged(wanting), ['info', 'error']);
  });
});

describe('subscriptions with a child that many use', () => {
  const update = (one: Rig, uri: string) =>
    one.children.last.say({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });

  it('are asked for once, and updates reach those who wanted them', async () => {
    await using with3 = await rigWith();
    const { one, user, ask } = with3;
    const [first, second, third] = [await user(), await user(), await user()];
    assert.deepEqual(jsonOf(await ask(first, 'resources/subscribe', { uri: 'a://1' })).result, {
      by: 'child',
    });
    assert.deepEqual(jsonOf(await ask(second, 'resources/subscribe', { uri: 'a://1' })).result, {});
    await ask(second, 'resources/subscribe', { uri: 'b://dir' });
    assert.deepEqual(uris(one, 'subscribe'), ['a://1', 'b://dir']);
    for (const uri of ['a://1', 'b://dir/part', 'b://directory', 'c://none']) update(one, uri);
    await settle();
    assert.deepEqual([first, second, third].map(updated), [['a://1'], ['a://1', 'b://dir/part'], []]);
  });

  it('are ended when nobody wants them any more, by word or by leaving', async () => {
    await using with3 = await rigWith();
    const { one, user, ask, leave } = with3;
    const [first, second] = [await user(), await user()];
    for (const one of [first, second]) await ask(one, 'resources/subscribe', { uri: 'a' });
    await ask(second, 'resources/subscribe', { uri: 'b' });
    assert.deepEqual(jsonOf(await ask(first, 'resources/unsubscribe', { uri: 'a' })).result, {});
    assert.deepEqual(uris(one, 'unsubscribe'), []);
    update(one, 'a');
    await settle();
    assert.deepEqual([first, second].map(updated), [[], ['a']]);
    await leave(second);
    assert.deepEqual(uris(one, 'unsubscribe'), ['a', 'b']);
    assert.deepEqual(jsonOf(await ask(first, 'resources/unsubscribe', { uri: 'never' })).result, {
      by: 'child',
    });
    await ask(first, 'resources/subscribe', { uri: 'a' });
    assert.deepEqual(uris(one, 'subscribe'), ['a', 'b', 'a'], 'asked for again');
    await ask(first, 'resources/unsubscribe', { uri: 'a' });
    assert.deepEqual(uris(one, 'unsubscribe'), ['a', 'b', 'never', 'a']);
  });

  it('are none where the child says no, or nobody knows what it said', async () => {
    await using with1 = await rigWith((child, message) => {
      if (message.params?.['uri'] === 'bad') child.error(message, -32602);
    });
    const { one, user, ask } = with1;
    const wanting = await user();
    assert.equal(jsonOf(await ask(wanting, 'resources/subscribe', { uri: 'bad' })).error?.code, -32602);
    const late = ask(wanting, 'resources/subscribe', { uri: 'slow' });
    await settle();
    update(one, 'slow');
    await one.clock.advance(60_000);
    assert.ok('fault' in (await late));
    for (const uri of ['bad', 'slow']) update(one, uri);
    await settle();
    assert.deepEqual(updated(wanting), ['slow'], 'it came before the answer could');
    assert.deepEqual(uris(one, 'unsubscribe'), ['slow']);
  });

  it('are bounded for each session', async () => {
    await using with1 = await rigWith(obliging, { subscriptionsMax: 2 });
    const { one, user, ask } = with1;
    const wanting = await user();
    const statuses = [];
    for (const uri of ['a', 'b', 'c', 'a'])
      statuses.push(response(await ask(wanting, 'resources/subscribe', { uri })).status);
    assert.deepEqual(statuses, [200, 200, 503, 200]);
    assert.deepEqual(uris(one, 'subscribe'), ['a', 'b']);
  });

  it('end their session when the child that held them dies; those given up do not', async () => {
    await using with3 = await rigWith();
    const { one, user, ask } = with3;
    const [subscribed, levelled, over] = [await user(), await user(), await user()];
    await ask(subscribed, 'resources/subscribe', { uri: 'a' });
    await ask(levelled, 'logging/setLevel', { level: 'error' });
    await ask(over, 'resources/subscribe', { uri: 'b' });
    await ask(over, 'resources/unsubscribe', { uri: 'b' });
    one.children.last.die();
    await one.clock.advance(1_000);
    const statuses = [];
    for (const one of [subscribed, levelled, over])
      statuses.push(response(await ask(one, 'tools/list', {})).status);
    assert.deepEqual(statuses, [404, 404, 200]);
    assert.deepEqual(
      [levels(one), uris(one, 'unsubscribe')],
      [[], []],
      'the new child has nothing to forget',
    );
    await ask(over, 'resources/subscribe', { uri: 'a' });
    assert.deepEqual(uris(one, 'subscribe'), ['a']);
    await ask(over, 'logging/setLevel', { level: 'debug' });
    assert.deepEqual(levels(one), ['debug']);
  });
});

describe('what is held for sessions', () => {
  it('leaves nothing behind when all are gone, in whatever order they came and went', () => {
    const levels = new LogLevels();
    const subscriptions = new Subscriptions(10);
    for (const session of ['s', 't']) {
      levels.want(session, 'error');
      for (const uri of ['a', 'b']) subscriptions.subscribe(session, uri);
    }
    subscriptions.confirm('a');
    assert.deepEqual(subscriptions.leave('s'), []);
    assert.deepEqual(subscriptions.leave('t'), ['a', 'b']);
    assert.equal(subscriptions.subscribe('u', 'a'), 'ask');
    assert.equal(levels.leave('s'), undefined);
    assert.equal(levels.leave('t'), 'debug');
    assert.equal(levels.leave('t'), undefined);
    levels.refused('t', 'info');
    assert.equal(levels.has('t'), false, 'a late refusal brings no session back');
    assert.ok(levels.admits('t', 'debug'));
  });
});
