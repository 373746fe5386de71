/** Children of 2026-07-28: what they ask, keep and tell passes through, and subscriptions end as they should. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { settle } from '@cruvero/testkit';
import { modernServer, type Behaviour, type Spoken } from './fake-children.fixture.ts';
import { call, envelope, Heard, jsonOf, modernHeaders, rig, textOf } from './rig.fixture.ts';

const key = 'io.modelcontextprotocol/subscriptionId';

/** Acknowledges and stays. */
const listened: Behaviour = (child, message) => {
  if (message.method !== 'subscriptions/listen') return;
  const params = { notifications: message.params?.['notifications'], _meta: { [key]: message.id } };
  child.say({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params });
};

async function rigOf(more: Behaviour) {
  const one = await rig(modernServer(more));
  const ask = (
    method: string,
    params: object,
    id: number | string = 1,
    signal = new AbortController().signal,
  ) => {
    const name = Object.entries(params).find(([name]) => name === 'name' || name === 'taskId')?.[1] as
      string | undefined;
    const headers = modernHeaders(method, name);
    return one.post(call(method, { _meta: envelope, ...params }, id), headers, { signal });
  };
  const listen = async (id: number | string, notifications: object = {}, signal?: AbortSignal) =>
    new Heard(await ask('subscriptions/listen', { notifications }, id, signal));
  return { one, ask, listen, [Symbol.asyncDispose]: () => one[Symbol.asyncDispose]() };
}

describe('a modern child', () => {
  it('asks by its result, and is answered by the retry, to the letter', async () => {
    const result =
      '{"resultType":"input_required","inputRequests":{"q":{"method":"elicitation/create","params":{"n":1.50}}},"requestState":"s\\u0041"}';
    await using served = await rigOf((child, message) =>
      child.say(`{"jsonrpc":"2.0","id":${message.id},"result":${result}}`),
    );
    const capabilities = { elicitation: { url: {} }, extensions: { 'x/y': {} } };
    const _meta = { ...envelope, 'io.modelcontextprotocol/clientCapabilities': capabilities };
    const got = await served.ask('tools/call', { name: 'a', _meta }, 'r1');
    assert.equal(textOf(got), `{"jsonrpc":"2.0","id":"r1","result":${result}}`);
    const answers = { inputResponses: { q: { action: 'accept' } }, requestState: 'sA' };
    await served.ask('tools/call', { name: 'a', _meta, ...answers }, 'r2');
    const { params } = served.one.children.last.got('tools/call')[1] ?? assert.fail();
    assert.deepEqual(params, { _meta, name: 'a', ...answers });
    assert.equal(served.one.children.all.length, 1, 'it is stateless: everybody uses the same');
  });

  it('is asked for its tasks, and tells of them', async () => {
    const tasked: Behaviour = (child, message) => {
      if (message.method === 'subscriptions/listen') return listened(child, message);
      child.result(message, { resultType: 'task', taskId: 't1', method: message.method });
    };
    await using served = await rigOf(tasked);
    const heard = await served.listen('sub', { taskIds: ['t1'] });
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel'])
      assert.equal(jsonOf(await served.ask(method, { taskId: 't1' })).result?.['method'], method);
    const child = served.one.children.last;
    const about = {
      taskId: 't1',
      status: 'working',
      _meta: { [key]: child.got('subscriptions/listen')[0]?.id },
    };
    child.say({ jsonrpc: '2.0', method: 'notifications/tasks', params: about });
    await settle();
    assert.deepEqual(heard.messages.at(-1)?.params, { ...about, _meta: { [key]: 'sub' } });
  });

  it('keeps several subscriptions apart, though their callers call them the same', async () => {
    await using served = await rigOf(listened);
    const heard = [await served.listen(1, { toolsListChanged: true }), await served.listen(1)];
    const child = served.one.children.last;
    const ids = child.got('subscriptions/listen').map(({ id }) => id);
    assert.notEqual(ids[0], ids[1]);
    const tell = (id: Spoken['id'], method: string) =>
      child.say({ jsonrpc: '2.0', method, params: { _meta: { [key]: id } } });
    tell(ids[0], 'notifications/tools/list_changed');
    tell(ids[1], 'notifications/prompts/list_changed');
    tell(99, 'notifications/resources/list_changed');
    await settle();
    const acknowledged = 'notifications/subscriptions/acknowledged';
    assert.deepEqual(
      heard.map(({ methods }) => methods),
      [
        [acknowledged, 'notifications/tools/list_changed'],
        [acknowledged, 'notifications/prompts/list_changed'],
      ],
    );
    for (const { params } of heard.flatMap(({ messages }) => messages))
      assert.deepEqual(params?.['_meta'], { [key]: 1 });
  });

  it('is told when a listener leaves', async () => {
    await using served = await rigOf(listened);
    const aborter = new AbortController();
    await served.listen('a', {}, aborter.signal);
    const stays = await served.listen('b');
    aborter.abort();
    const child = served.one.children.last;
    assert.deepEqual(
      child.got('notifications/cancelled').map(({ params }) => params?.['requestId']),
      [child.got('subscriptions/listen')[0]?.id],
    );
    assert.equal(stays.over, 'open');
    assert.equal(served.one.bridge.listing()[0]?.state, 'running');
  });

  it('ends a subscription by its result, also where it cancels it', async () => {
    await using served = await rigOf(listened);
    const heard = await served.listen('x');
    const child = served.one.children.last;
    const params = { requestId: child.got('subscriptions/listen')[0]?.id };
    child.say({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    await settle();
    const result = { resultType: 'complete', _meta: { [key]: 'x' } };
    assert.deepEqual([heard.messages.at(-1), heard.over], [{ jsonrpc: '2.0', id: 'x', result }, 'ended']);
    assert.equal(child.got('notifications/cancelled').length, 0);
  });

  it('is stopped with its subscriptions ended, and breaks them where it dies', async () => {
    await using served = await rigOf(listened);
    const dying = await served.listen('d');
    served.one.children.last.die();
    await settle();
    assert.equal(dying.over, 'broken');
    await served.one.clock.advance(1_000);
    const stopped = await served.listen('s');
    await served.one[Symbol.asyncDispose]();
    assert.deepEqual([stopped.messages.at(-1)?.id, stopped.over], ['s', 'ended']);
  });
});
