/** Clients that can be asked something get a child of their own. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle } from '@cruvero/testkit';
import { echoes, legacyServer, type Behaviour } from './fake-children.fixture.ts';
import { asking, asks, say, reply, count, questions, rigOf } from './own-child.fixture.ts';
import { call, fault, Heard, jsonOf, response, rig } from './rig.fixture.ts';

describe('an own child', () => {
  it('is greeted with what the client has said of itself, and answers for itself', async () => {
    await using one = await rigOf(echoes);
    await one.bridge.ready();
    const params = {
      protocolVersion: '2025-06-18',
      capabilities: { sampling: { context: {} }, 'x-vendor': 1 },
      clientInfo: { name: 'editor', version: '9', title: 'The editor' },
    };
    const got = await one.post(call('initialize', params, 'init'));
    assert.equal(one.children.all.length, 2);
    assert.deepEqual(one.children.last.got('initialize')[0]?.params, params);
    assert.equal(one.children.last.got('server/discover').length, 0);
    assert.equal(jsonOf(got).id, 'init');
    assert.equal(jsonOf(got).result?.['protocolVersion'], '2025-11-25');
    const headers = { 'mcp-session-id': response(got).headers['mcp-session-id'] ?? '' };
    for (const method of ['notifications/initialized', 'notifications/roots/list_changed'])
      assert.equal(response(await one.post(say(method), headers)).status, 202);
    const called = await one.post(call('tools/call', { arguments: 7 }), headers);
    assert.equal(jsonOf(called).result?.['echoed'], 7);
    const [shared, own] = one.children.all;
    assert.equal(own?.got('notifications/initialized').length, 1);
    assert.equal(own?.got('notifications/roots/list_changed').length, 1);
    assert.equal(own?.got('tools/call').length, 1);
    assert.equal(shared?.got('tools/call').length, 0);
  });

  it('is for those only who can be asked', async () => {
    await using one = await rigOf(echoes);
    for (const capabilities of [{}, { experimental: {}, tasks: {} }, { sampling: null }, { roots: true }])
      await one.session(capabilities);
    assert.equal(one.children.all.length, 1);
    for (const capabilities of [{ roots: {} }, { sampling: {} }, { elicitation: { url: {} } }])
      await one.session(capabilities);
    assert.equal(one.children.all.length, 4);
  });

  it('ends with its session: on DELETE, when idle, at the end of the bridge', async () => {
    const one = await rigOf(echoes, { sessionIdleMs: 120_000 });
    const [deleted] = [await one.session(asking), await one.session(asking)];
    const [, first, second] = one.children.all;
    assert.equal(response(await one.post(undefined, deleted, { httpMethod: 'DELETE' })).status, 204);
    await settle();
    assert.deepEqual([first?.alive, second?.alive], [false, true]);
    assert.equal(response(await one.post(call('tools/list'), deleted)).status, 404);
    await one.clock.advance(240_000);
    assert.equal(second?.alive, false);
    await one.session(asking);
    await one[Symbol.asyncDispose]();
    assert.deepEqual(
      one.children.all.map(({ alive }) => alive),
      [false, false, false, false],
    );
    assert.equal(one.clock.pending, 0, 'no timer is left');
  });

  it('leaves no session behind where it does not come up', async () => {
    let act: Behaviour = () => undefined;
    await using one = await rig((child, message) => {
      const isOwn = message.method === 'initialize' && 'sampling' in Object(message.params?.['capabilities']);
      (isOwn ? act : legacyServer(echoes))(child, message);
    });
    await one.bridge.ready();
    const open = (more = {}) =>
      one.post(call('initialize', { capabilities: asking }), {}, { timeoutMs: 5_000, ...more });
    act = (child) => child.die({ code: 3, signal: null });
    assert.deepEqual(fault(await open()), {
      fault: 'unreachable',
      detail: 'it ended with exit code 3',
      neverLeft: true,
    });
    act = (child, message) => child.error(message, -32602, 'not you');
    const refused = await open();
    assert.deepEqual(
      [jsonOf(refused).error?.code, response(refused).headers['mcp-session-id']],
      [-32602, undefined],
    );
    act = (child, message) => child.result(message, { protocolVersion: '1999-01-01', capabilities: {} });
    assert.match(fault(await open()).detail, /"1999-01-01", which is not known here/);
    act = () => undefined;
    const late = open();
    await one.clock.advance(5_000);
    assert.match(fault(await late).detail, /did not answer initialize within 5000 ms/);
    const aborter = new AbortController();
    const left = open({ signal: aborter.signal });
    await settle();
    aborter.abort();
    assert.equal(fault(await left).fault, 'aborted');
    await settle();
    assert.deepEqual(
      one.children.all.map(({ alive }) => alive),
      [true, false, false, false, false, false],
    );
  });

  it('takes its session with it when it dies, in the middle of a question, and nobody else', async () => {
    await using one = await rigOf(asks);
    const [mine, others, plain] = [await one.session(asking), await one.session(asking), await one.session()];
    const stream = await one.listen(mine);
    const got = new Heard(await one.post(call('tools/call', { name: 'a' }), mine));
    await settle();
    assert.deepEqual(got.methods, ['elicitation/create']);
    one.children.all[1]?.die();
    await settle();
    assert.deepEqual([got.over, stream.over], ['broken', 'ended']);
    const late = await one.post(reply(got.asked('elicitation/create'), {}), mine);
    assert.equal(response(late).status, 404);
    assert.equal(response(await one.post(call('tools/list'), others)).status, 200);
    assert.equal(response(await one.post(call('tools/list'), plain)).status, 200);
    await one.clock.advance(60_000);
    assert.equal(one.children.all.length, 3, 'it is not started again');
    assert.equal(count(one, 'bridge_own_child_deaths_total'), 1);
    assert.equal(count(one, 'bridge_child_restarts_total'), undefined);
    assert.equal(questions(one, 'lost'), 1);
  });

  it('goes on while the other child is being started again', async () => {
    await using one = await rigOf(echoes);
    const headers = await one.session(asking);
    one.children.behaviour = () => undefined;
    one.children.all[0]?.die();
    const got = await one.post(call('tools/call', { arguments: 1 }), headers);
    assert.equal(jsonOf(got).result?.['echoed'], 1);
  });

  it('finishes what it has begun when its instance is taken away, and begins nothing new', async () => {
    await using one = await rigOf(asks, { drainMs: 5_000 });
    const headers = await one.session(asking);
    const going = new Heard(await one.post(call('tools/call', { name: 'a' }), headers));
    const upstream = one.bridge[Symbol.asyncDispose]();
    await settle();
    const refused = fault(await one.post(call('tools/call', {}, 2), headers));
    assert.deepEqual([refused.fault, refused.neverLeft], ['unreachable', true]);
    assert.equal(
      response(await one.post(reply(going.asked('elicitation/create'), { n: 1 }), headers)).status,
      202,
    );
    await settle();
    assert.deepEqual(going.messages.at(-1)?.result, { answered: { n: 1 } });
    await upstream;
  });
});

describe('the number of own children', () => {
  it('is bounded: the session idle longest makes room, though it listens', async () => {
    await using one = await rigOf(echoes, { ownChildrenMax: 2 });
    const [first, second] = [await one.session(asking), await one.session(asking)];
    const stream = await one.listen(second);
    await one.post(call('tools/list'), first);
    const third = await one.session(asking);
    assert.equal(response(await one.post(call('tools/list'), second)).status, 404);
    assert.equal(stream.over, 'ended');
    for (const headers of [first, third])
      assert.equal(response(await one.post(call('tools/list'), headers)).status, 200);
    assert.deepEqual(
      one.children.all.map(({ alive }) => alive),
      [true, true, false, true],
    );
    assert.equal(count(one, 'bridge_own_children_refused_total'), undefined);
  });

  it('is not to be had while all are in use: the client is told so, and never served by the child that all use', async () => {
    await using one = await rigOf(asks, { ownChildrenMax: 1 });
    const busy = await one.session(asking);
    const going = new Heard(await one.post(call('tools/call', { name: 'a' }), busy));
    const sessions = one.bridge.listing()[0];
    const got = await one.post(call('initialize', { capabilities: asking }));
    assert.deepEqual(
      [response(got).status, response(got).headers['mcp-session-id'], response(got).headers['retry-after']],
      [503, undefined, '5'],
    );
    assert.equal(jsonOf(got).error?.code, -31030);
    assert.match(String(jsonOf(got).error?.message), /CRUVERO_STDIO_BRIDGE_OWN_CHILDREN_MAX/);
    assert.deepEqual(one.bridge.listing()[0], sessions, 'no session is left behind');
    assert.equal(one.children.all.length, 2);
    assert.equal(count(one, 'bridge_own_children_refused_total'), 1);
    assert.ok(
      one.telemetry.lines.some(
        ({ level, message }) => level === 'warn' && /own children are in use/.test(message),
      ),
    );
    assert.equal(going.over, 'open');
    await one.session();
    await one.post(reply(going.asked('elicitation/create'), {}), busy);
    await settle();
    await one.session(asking);
    assert.equal(one.children.all.length, 3, 'now it makes room');
  });

  it('counts those that are still ending: a new one waits for them', async () => {
    await using one = await rigOf(echoes, { ownChildrenMax: 1 });
    const held: (() => void)[] = [];
    const first = await one.session(asking);
    const own = one.children.last;
    own.stop = () => new Promise((resolve) => held.push(() => resolve({ code: 0, signal: null })));
    await one.post(undefined, first, { httpMethod: 'DELETE' });
    let opened = false;
    const opening = one.session(asking).finally(() => (opened = true));
    await settle();
    assert.deepEqual([opened, one.children.all.length], [false, 2]);
    own.die();
    for (const go of held) go();
    const second = await opening;
    assert.equal(response(await one.post(call('tools/list'), second)).status, 200);
    assert.equal(one.children.all.length, 3);
  });

  it('can be none', async () => {
    await using one = await rigOf(echoes, { ownChildrenMax: 0 });
    await one.session(asking);
    assert.equal(one.children.all.length, 1);
    assert.ok(!one.telemetry.lines.some(({ level }) => level === 'warn'));
  });
});

describe('what an own child says', () => {
  it('reaches its own session only, and what the other child says only the others', async () => {
    await using one = await rigOf(() => undefined);
    const [own, plain, plainer] = [await one.session(asking), await one.session(), await one.session()];
    const [heard, one1, two2] = [await one.listen(own), await one.listen(plain), await one.listen(plainer)];
    const [shared, child] = one.children.all;
    child?.say(say('notifications/prompts/list_changed'));
    shared?.say(say('notifications/resources/list_changed'));
    await settle();
    assert.deepEqual(heard.methods, ['notifications/prompts/list_changed']);
    for (const { methods } of [one1, two2])
      assert.deepEqual(methods, ['notifications/resources/list_changed']);
  });

  it('is logged to its only call, else on its stream, else to the call begun last', async () => {
    await using one = await rigOf(() => undefined);
    const headers = await one.session(asking);
    const child = one.children.last;
    const log = (data: string) => child.say(say('notifications/message', { level: 'info', data }));
    const first = one.post(call('tools/call', {}, 1), headers);
    await settle();
    log('only');
    const heard = [new Heard(await first)];
    const second = one.post(call('tools/call', {}, 2), headers);
    await settle();
    log('last');
    heard.push(new Heard(await second));
    heard.push(await one.listen(headers));
    log('stream');
    await settle();
    assert.deepEqual(
      heard.map(({ messages }) => messages.map(({ params }) => params?.['data'])),
      [['only'], ['last'], ['stream']],
    );
  });

  it('is not announced: the tools of an own child are its own', async () => {
    await using one = await rigOf(() => undefined);
    await one.bridge.ready();
    await one.session(asking);
    const listed = one.children.all.map((child) => child.got('tools/list').length);
    one.children.last.say(say('notifications/tools/list_changed'));
    await one.clock.advance(1_000);
    assert.deepEqual(
      one.children.all.map((child) => child.got('tools/list').length),
      listed,
    );
    assert.equal(one.bridge.listing().length, 1);
  });

  it('follows what is set for it alone, to the letter', async () => {
    await using one = await rigOf((child, message) => child.result(message, { own: message.method }));
    const headers = await one.session(asking);
    for (const [method, params] of [
      ['logging/setLevel', { level: 'odd' }],
      ['resources/subscribe', { uri: 'a' }],
      ['resources/subscribe', { uri: 'a' }],
      ['resources/unsubscribe', { uri: 'b' }],
    ] as const) {
      const got = await one.post(call(method, params), headers);
      assert.deepEqual(jsonOf(got).result, { own: method });
      assert.deepEqual(one.children.last.got(method).at(-1)?.params, params);
    }
    const stream = await one.listen(headers);
    one.children.last.say(say('notifications/resources/updated', { uri: 'z' }));
    await settle();
    assert.equal(stream.messages.length, 1);
  });
});
