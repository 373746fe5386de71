/** A child looks like a Streamable HTTP server, in both eras. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UpstreamBroken } from '@cruvero/ports';
import { settle } from '@cruvero/testkit';
import { echoes, echoTool, legacyServer, modernServer, type Behaviour } from './fake-children.fixture.ts';
import {
  call,
  envelope,
  fault,
  jsonOf,
  modernHeaders,
  response,
  rig,
  streamOf,
  textOf,
} from './rig.fixture.ts';

const deaf: Behaviour = () => undefined;

/** Says progress before the answer; `log` too. */
const slow: Behaviour = (child, message) => {
  if (message.method !== 'tools/call') return;
  const token = message.params?._meta?.['progressToken'];
  child.say({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken: token, progress: 1 },
  });
  child.say({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken: 'nobody', progress: 9 },
  });
  child.result(message, { content: [] });
};

describe('an exchange with a legacy child', () => {
  it('initialises the child once and callers many times, each with a session of its own', async () => {
    await using one = await rig(legacyServer(echoes));
    await one.bridge.ready();
    const answers = await Promise.all(
      ['"a"', '7'].map((id) =>
        one.post(
          `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":{"protocolVersion":"2025-06-18"}}`,
        ),
      ),
    );
    const ids = answers.map((answer) => response(answer).headers['mcp-session-id']);
    assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id ?? '')));
    assert.notEqual(ids[0], ids[1]);
    assert.deepEqual(jsonOf(answers[0] ?? assert.fail()), {
      jsonrpc: '2.0',
      id: 'a',
      result: {
        protocolVersion: '2025-06-18',
        capabilities: { tools: { listChanged: true } },
        serverInfo: { name: 'fake', version: '1.2.3' },
        extra: '12345678901234567890',
      },
    });
    assert.equal(one.children.last.got('initialize').length, 1);
    assert.equal(one.children.last.got('notifications/initialized').length, 1);
  });

  it('keeps equal ids of different callers apart', async () => {
    const waiting: (() => void)[] = [];
    await using one = await rig(
      legacyServer((child, message) => {
        if (message.method === 'tools/call') waiting.unshift(() => echoes(child, message));
      }),
    );
    const sessions = [await one.session(), await one.session()];
    const calls = sessions.flatMap((headers, s) =>
      [0, 1].map((n) => one.post(call('tools/call', { name: 'echo', arguments: { s, n } }, 1), headers)),
    );
    await settle();
    assert.equal(waiting.length, 4);
    for (const answer of waiting) answer();
    const echoed = (await Promise.all(calls)).map((got) => [jsonOf(got).id, jsonOf(got).result?.['echoed']]);
    assert.deepEqual(echoed, [
      [1, { s: 0, n: 0 }],
      [1, { s: 0, n: 1 }],
      [1, { s: 1, n: 0 }],
      [1, { s: 1, n: 1 }],
    ]);
  });

  it('passes big numbers, key order and unknown members through to the letter, both ways', async () => {
    let line = '';
    await using one = await rig(
      legacyServer((child, message) => {
        line = child.lines.at(-1) ?? '';
        child.say(
          `{"jsonrpc":"2.0","result":{"z":1.50,"a":123456789012345678901234567890,"n":1E400},"id":${message.id},"more":[ ]}`,
        );
      }),
    );
    const headers = await one.session();
    const text =
      '{"zulu":1e2,"jsonrpc":"2.0","id":"x","method":"odd/method","params":{"b":98765432109876543210,"a":0.10}}';
    const got = await one.post(text, headers);
    assert.match(
      line,
      /^\{"zulu":1e2,"jsonrpc":"2.0","id":\d+,"method":"odd\/method","params":\{"b":98765432109876543210,"a":0.10\}\}$/,
    );
    assert.equal(
      textOf(got),
      '{"jsonrpc":"2.0","result":{"z":1.50,"a":123456789012345678901234567890,"n":1E400},"id":"x","more":[ ]}',
    );
  });

  it("answers with a stream where progress came first, with the caller's own token in it", async () => {
    await using one = await rig(legacyServer(slow));
    const headers = await one.session();
    const got = await one.post(call('tools/call', { _meta: { progressToken: 'tok' } }, 'id'), headers);
    assert.equal(response(got).headers['content-type'], 'text/event-stream');
    const data = (await streamOf(got)).match(/data: .*/g)?.map((line) => JSON.parse(line.slice(6)));
    assert.deepEqual(data, [
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'tok', progress: 1 } },
      { jsonrpc: '2.0', id: 'id', result: { content: [] } },
    ]);
  });

  it('gives sessions the statuses that make clients do the right thing', async () => {
    await using one = await rig(legacyServer(echoes));
    const headers = await one.session();
    const status = async (...args: Parameters<typeof one.post>) => response(await one.post(...args)).status;
    assert.equal(await status(call('tools/list')), 400);
    assert.equal(await status(call('tools/list'), { 'mcp-session-id': 'unknown' }), 404);
    assert.equal(await status(call('tools/list'), { ...headers, 'mcp-protocol-version': '1999-01-01' }), 400);
    assert.equal(await status({ jsonrpc: '2.0', method: 'notifications/initialized' }, headers), 202);
    assert.equal(await status({ jsonrpc: '2.0', id: 1, result: {} }, headers), 202);
    assert.equal(await status('{"jsonrpc":', headers), 400);
    assert.equal(await status('[]', headers), 400);
    assert.equal(await status(undefined, headers, { httpMethod: 'DELETE' }), 204);
    assert.equal(await status(call('tools/list'), headers), 404);
    assert.equal(
      one.children.last.got('notifications/initialized').length,
      1,
      "the caller's own is not passed on",
    );
  });

  it('looks legacy to a caller who probes', async () => {
    await using one = await rig(legacyServer(echoes));
    const got = await one.post(
      call('server/discover', { _meta: envelope }),
      modernHeaders('server/discover'),
    );
    assert.equal(response(got).status, 404);
    assert.equal(jsonOf(got).error?.code, -32601);
  });

  it('ends sessions that nobody uses, and makes room for new ones', async () => {
    await using one = await rig(legacyServer(echoes), { bounds: { sessionsMax: 2, sessionIdleMs: 1_000 } });
    const [first, second] = [await one.session(), await one.session()];
    await one.clock.advance(500);
    assert.equal(response(await one.post(call('tools/call'), first)).status, 200);
    const third = await one.session();
    assert.equal(response(await one.post(call('tools/call'), second)).status, 404, 'it was idle longest');
    await one.clock.advance(999);
    assert.equal(response(await one.post(call('tools/call'), third)).status, 200);
    await one.clock.advance(1_000);
    assert.equal(response(await one.post(call('tools/call'), third)).status, 404);
  });

  it('refuses a session when all are busy', async () => {
    await using one = await rig(legacyServer(deaf), { bounds: { sessionsMax: 1 } });
    void one.post(call('tools/call'), await one.session());
    await settle();
    const got = await one.post(call('initialize'));
    assert.equal(response(got).status, 503);
    assert.equal(response(got).headers['retry-after'], '5');
  });

  it('passes notifications of the child to open streams, one for each session', async () => {
    await using one = await rig(legacyServer(deaf));
    const headers = await one.session();
    const aborter = new AbortController();
    const listening = await one.post(undefined, headers, { httpMethod: 'GET', signal: aborter.signal });
    const text = streamOf(listening);
    one.children.last.say({ jsonrpc: '2.0', method: 'notifications/resources/list_changed' });
    await settle();
    aborter.abort();
    assert.match(await text, /resources\/list_changed/);
  });

  it('shows a log message to nobody who might not be meant', async () => {
    await using one = await rig(legacyServer(deaf));
    const sessions = [await one.session(), await one.session()];
    const heard = ['', ''];
    for (const [i, headers] of sessions.entries()) {
      const { body } = response(await one.post(undefined, headers, { httpMethod: 'GET' }));
      assert.ok(body.kind === 'stream');
      void (async () => {
        for await (const chunk of body.chunks) heard[i] += chunk;
      })();
    }
    const log = (data: string) =>
      one.children.last.say({ jsonrpc: '2.0', method: 'notifications/message', params: { data } });
    log('for-all');
    const calls = [
      one.post(call('tools/call'), sessions[0]),
      one.post(call('tools/call', {}, 2), sessions[0]),
    ];
    await settle();
    log('for-first');
    calls.push(one.post(call('tools/call'), sessions[1]));
    await settle();
    log('for-nobody');
    await settle();
    assert.match(heard[0] ?? '', /for-all.*for-first/s);
    assert.match(heard[1] ?? '', /for-all/);
    assert.doesNotMatch(heard.join(''), /for-nobody/);
    assert.doesNotMatch(heard[1] ?? '', /for-first/);
    one.children.last.die();
    await Promise.all(calls);
  });

  it('answers the ping of a child, and says no to what it does not serve', async () => {
    await using one = await rig(legacyServer(deaf));
    await one.bridge.ready();
    one.children.last.say({ jsonrpc: '2.0', id: 'p', method: 'ping' });
    one.children.last.say({ jsonrpc: '2.0', id: 7, method: 'sampling/createMessage', params: {} });
    const answers = one.children.last.messages.filter((message) => message.method === undefined);
    assert.deepEqual(
      answers.map(({ id, result, error }) => [id, result, error?.code]),
      [
        ['p', {}, undefined],
        [7, undefined, -32601],
      ],
    );
  });
});

describe('an exchange with a modern child', () => {
  it('passes requests through with their envelope, and gives errors their status', async () => {
    await using one = await rig(
      modernServer((child, message) =>
        message.params?.['name'] === 'bad' ? child.error(message, -32021) : echoes(child, message),
      ),
    );
    const ask = (name: string, method = 'tools/call') =>
      one.post(
        call(method, { name, arguments: { a: 1 }, _meta: envelope }, 'x'),
        modernHeaders(method, name),
      );
    assert.deepEqual(jsonOf(await ask('echo')), {
      jsonrpc: '2.0',
      id: 'x',
      result: { content: [], echoed: { a: 1 } },
    });
    assert.deepEqual(one.children.last.got('tools/call')[0]?.params?._meta, envelope);
    assert.equal(response(await ask('bad')).status, 400);
    assert.equal(one.children.last.got('initialize').length, 0);
  });

  it('refuses what its era does not know, or what contradicts itself', async () => {
    await using one = await rig(modernServer(echoes));
    const init = await one.post(call('initialize', { protocolVersion: '2025-11-25' }));
    assert.equal(response(init).status, 400);
    assert.deepEqual(jsonOf(init).error?.data, { supported: ['2026-07-28'], requested: '2025-11-25' });
    const code = async (...args: Parameters<typeof one.post>) => {
      const got = await one.post(...args);
      return [response(got).status, jsonOf(got).error?.code];
    };
    assert.deepEqual(await code(call('tools/list')), [400, -32602]);
    assert.deepEqual(
      await code(call('tools/list', { _meta: envelope }), modernHeaders('tools/call')),
      [400, -32020],
    );
    assert.deepEqual(await code(call('ping', { _meta: envelope }), modernHeaders('ping')), [404, -32601]);
    assert.deepEqual(await code(undefined, {}, { httpMethod: 'GET' }), [405, -32600]);
    const old = { ...envelope, 'io.modelcontextprotocol/protocolVersion': '2030-01-01' };
    const headers = { ...modernHeaders('tools/list'), 'mcp-protocol-version': '2030-01-01' };
    assert.deepEqual(await code(call('tools/list', { _meta: old }), headers), [400, -32022]);
  });

  it('carries a subscription: its id restored in every message, its end too', async () => {
    const key = 'io.modelcontextprotocol/subscriptionId';
    await using one = await rig(
      modernServer((child, message) => {
        const said = (method: string) =>
          child.say({ jsonrpc: '2.0', method, params: { _meta: { [key]: message.id } } });
        said('notifications/subscriptions/acknowledged');
        said('notifications/tools/list_changed');
        child.result(message, { resultType: 'complete', _meta: { [key]: message.id } });
      }),
    );
    const body = call('subscriptions/listen', { _meta: envelope, notifications: {} }, 'sub');
    const got = await one.post(body, modernHeaders('subscriptions/listen'));
    const data = (await streamOf(got)).match(/data: .*/g) ?? [];
    assert.equal(data.length, 3);
    assert.ok(
      data.every((line) => line.includes(`"${key}":"sub"`)),
      data.join('\n'),
    );
    assert.match(data[2] ?? '', /"id":"sub"/);
  });

  it('carries the trace of this hop to the child', async () => {
    await using one = await rig(modernServer(echoes));
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await one.post(call('tools/call', { name: 'echo', _meta: envelope }), {
      ...modernHeaders('tools/call', 'echo'),
      traceparent,
    });
    const sent = String(one.children.last.got('tools/call')[0]?.params?._meta?.['traceparent']);
    assert.match(sent, /^00-a{32}-[0-9a-f]{16}-01$/);
    assert.notEqual(sent, traceparent);
    const span = one.telemetry.spans.at(-1);
    assert.deepEqual([span?.name, span?.parent?.traceparent], ['child tools/call', traceparent]);
  });
});

describe('an exchange that does not end well', () => {
  it('tells the child when its caller goes away', async () => {
    await using one = await rig(legacyServer(deaf));
    const headers = await one.session();
    const aborter = new AbortController();
    const going = one.post(call('tools/call'), headers, { signal: aborter.signal });
    await settle();
    aborter.abort();
    assert.deepEqual(fault(await going), {
      fault: 'aborted',
      detail: 'the caller went away',
      neverLeft: false,
    });
    const asked = one.children.last.got('tools/call')[0]?.id;
    assert.equal(one.children.last.got('notifications/cancelled')[0]?.params?.['requestId'], asked);
    one.children.last.result({ id: asked ?? 0 }, { late: true });
    assert.equal((await one.post(call('initialize'))) !== undefined, true);
  });

  it('cancels by notification, the right call of the right session', async () => {
    await using one = await rig(legacyServer(deaf));
    const sessions = [await one.session(), await one.session()];
    const calls = sessions.map((headers) => one.post(call('tools/call', {}, 'same'), headers));
    await settle();
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'same' } };
    assert.equal(response(await one.post(cancel, sessions[1])).status, 202);
    assert.equal(jsonOf((await calls[1]) ?? assert.fail()).error?.code, -31099);
    const [first, second] = one.children.last.got('tools/call').map(({ id }) => id);
    assert.deepEqual(
      one.children.last.got('notifications/cancelled').map(({ params }) => params?.['requestId']),
      [second],
    );
    one.children.last.result({ id: first ?? 0 }, { ok: 1 });
    assert.deepEqual(jsonOf((await calls[0]) ?? assert.fail()).result, { ok: 1 });
  });

  it('bounds the wait for an answer', async () => {
    await using one = await rig(legacyServer(deaf));
    const going = one.post(call('tools/call'), await one.session(), { timeoutMs: 5_000 });
    await one.clock.advance(5_000);
    assert.deepEqual(fault(await going).fault, 'timeout');
    assert.equal(one.children.last.got('notifications/cancelled').length, 1);
  });

  it('bounds the answer', async () => {
    await using one = await rig(
      legacyServer((child, message) => child.result(message, { text: 'é'.repeat(600) })),
    );
    const headers = await one.session();
    assert.equal(fault(await one.post(call('tools/call'), headers, { bytesMax: 1_000 })).fault, 'too_large');
    assert.equal(response(await one.post(call('tools/call'), headers, { bytesMax: 2_000 })).status, 200);
  });

  it('bounds the requests in work', async () => {
    await using one = await rig(legacyServer(deaf), { bounds: { pendingMax: 2 } });
    const headers = await one.session();
    const going = [1, 2].map((id) => one.post(call('tools/call', {}, id), headers));
    await settle();
    const third = await one.post(call('tools/call', {}, 3), headers);
    assert.equal(response(third).status, 503);
    assert.match(jsonOf(third).error?.message ?? '', /2 requests in work/);
    one.children.last.die();
    for (const got of await Promise.all(going)) assert.equal(fault(got).neverLeft, false);
  });

  it('says so where the child does not read', async () => {
    await using one = await rig(legacyServer(deaf));
    const headers = await one.session();
    one.children.last.takes = false;
    assert.equal(response(await one.post(call('tools/call'), headers)).status, 503);
  });

  it('faults what was in work when the child died, and serves again after its return', async () => {
    await using one = await rig(
      legacyServer((child, message) =>
        message.params?.['name'] === 'hang' ? undefined : echoes(child, message),
      ),
    );
    const headers = await one.session();
    const lost = one.post(call('tools/call', { name: 'hang' }), headers);
    await settle();
    one.children.last.die();
    assert.deepEqual(fault(await lost), {
      fault: 'broken',
      detail: 'it was ended by SIGKILL',
      neverLeft: false,
    });
    const waiting = one.post(call('tools/call', { name: 'echo', arguments: { back: true } }), headers);
    await one.clock.advance(1_000);
    assert.deepEqual(jsonOf(await waiting).result?.['echoed'], { back: true });
    assert.equal(one.children.all.length, 2);
    assert.equal(one.bridge.listing()[0]?.restarts, 1);
    assert.equal(
      one.telemetry.counts.get('bridge_child_restarts_total{"server":"fake","instance":"fake.b1.0"}'),
      1,
    );
  });

  it('breaks a stream whose child died', async () => {
    await using one = await rig(
      legacyServer((child, message) => {
        const token = message.params?._meta?.['progressToken'];
        child.say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token } });
      }),
    );
    const got = await one.post(call('tools/call', { _meta: { progressToken: 1 } }), await one.session());
    const reading = streamOf(got);
    one.children.last.die();
    await assert.rejects(reading, UpstreamBroken);
  });

  it('ends the sessions for which the dead child held something, and only those', async () => {
    await using one = await rig(legacyServer((child, message) => child.result(message, {})));
    const [plain, marked] = [await one.session(), await one.session()];
    await one.post(call('resources/subscribe', { uri: 'a' }), marked);
    one.children.last.die();
    await one.clock.advance(1_000);
    assert.equal(response(await one.post(call('tools/list'), marked)).status, 404);
    assert.equal(response(await one.post(call('tools/list'), plain)).status, 200);
  });

  it('waits for a return only so long, and then says that the request never left', async () => {
    await using one = await rig(legacyServer(echoes), { bounds: { respawnWaitMs: 3_000 } });
    const headers = await one.session();
    one.children.behaviour = deaf;
    one.children.last.die();
    const waiting = one.post(call('tools/call'), headers);
    await one.clock.advance(3_000);
    const { neverLeft, detail } = fault(await waiting);
    assert.equal(neverLeft, true);
    assert.match(detail, /fake\.b1\.0 is starting/);
  });

  it('knows only its own instances', async () => {
    await using one = await rig(legacyServer(echoes));
    for (const endpoint of [
      'inproc://other/x',
      'inproc://fake/fake.b1.9',
      'http://fake/fake.b1.0',
      'inproc://fake',
    ]) {
      assert.deepEqual(fault(await one.post(call('tools/list'), {}, { endpoint })).neverLeft, true);
    }
  });

  it('lists tools as the child does', async () => {
    await using one = await rig(legacyServer());
    assert.deepEqual(jsonOf(await one.post(call('tools/list'), await one.session())).result, {
      tools: [echoTool],
    });
  });
});
