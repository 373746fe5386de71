/** Tests of the MCP endpoint's ways with running calls and open streams: bounds, cancellation, leaving, and telling of changes. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isJsonObject, type JsonObject } from '@cruvero/core';
import { probe, probeSse, startModernServer } from '@cruvero/testkit';
import { Client, eras, messagesOf, type Answered } from '../client.fixture.ts';
import { gate } from '../gate.fixture.ts';
import { keys, stage, until, type Stage } from '../gateway.fixture.ts';

const client = (gateway: Stage, era: 'legacy' | 'modern', key: string = keys.alice, path = '/mcp') =>
  new Client(era, gateway.url + path, key).open();
const callGate = (caller: Client, id?: string): Promise<Answered> =>
  caller.call('tools/call', { name: 'mcp.files.gate', arguments: {} }, id === undefined ? {} : { id });

/** How many calls of this kind of end the gateway has counted. */
const ended = ({ telemetry }: Stage, status: string): number =>
  [...telemetry.counts].reduce((sum, [key, count]) => {
    return key.startsWith('mcpgw_tool_calls_total') && key.includes(`"status":"${status}"`)
      ? sum + count
      : sum;
  }, 0);

describe('a call', () => {
  it('over the bound is told to come again, at every door, and room made is room', async () => {
    const held = gate();
    await using server = await startModernServer({ extraTools: [held.tool] });
    await using gateway = await stage({
      servers: [{ name: 'files', endpoint: server.url }],
      config: { callsMax: 2 },
    });
    const [legacy, modern] = [await client(gateway, 'legacy'), await client(gateway, 'modern')];
    const running = [callGate(legacy), callGate(modern)];
    await until(() => held.waiting() === 2, 'both calls');
    for (const caller of [legacy, modern]) {
      const { status, error, response } = await caller.call('tools/list');
      assert.equal(status, 503);
      assert.deepEqual(error, {
        code: -31030,
        message: 'Too many calls are under way here; try again soon.',
        data: { retryAfterMs: 1_000 },
      });
      assert.equal(response.header('retry-after'), '1');
    }
    const rest = await probe(`${gateway.url}/api/v1/mcp/files/execute`, {
      headers: [
        ['content-type', 'application/json'],
        ['x-api-key', keys.admin],
      ],
      body: '{"command":"echo"}',
    });
    assert.equal(rest.status, 503);
    assert.equal(rest.header('retry-after'), '1');
    held.open();
    for (const { error } of await Promise.all(running)) assert.equal(error, undefined);
    assert.equal((await modern.call('tools/list')).status, 200);
  });

  it('of a legacy caller who loses the connection goes on to its end', async () => {
    const held = gate();
    await using server = await startModernServer({ extraTools: [held.tool] });
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    const caller = await client(gateway, 'legacy');
    const params = { name: 'mcp.files.gate', arguments: {} };
    await assert.rejects(
      probe(caller.url, {
        headers: caller.headers('tools/call', params),
        body: caller.body('tools/call', params, { id: 'lost' }),
        timeoutMs: 100,
      }),
    );
    await until(() => held.waiting() === 1, 'the call');
    assert.equal((await caller.call('ping')).status, 200, 'the session is still good');
    assert.equal((await callGate(caller, 'lost')).status, 400, 'and its id still in use');
    assert.equal(server.catalogue.aborted, 0);
    held.open();
    await until(() => ended(gateway, 'result') === 1, 'its end');
    assert.equal(server.catalogue.aborted, 0);
  });

  it('is cancelled by its own session only, and only by its own id to the letter', async () => {
    const held = gate();
    await using server = await startModernServer({ extraTools: [held.tool] });
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    const [own, other, modern] = [
      await client(gateway, 'legacy'),
      await client(gateway, 'legacy'),
      await client(gateway, 'modern'),
    ];
    const running = [callGate(own, '7'), callGate(modern, '7')];
    await until(() => held.waiting() === 2, 'both calls');
    for (const [from, params] of [
      [other, { requestId: '7' }],
      [modern, { requestId: '7' }],
      [own, { requestId: 7 }],
      [own, {}],
      [own, { requestId: null }],
      [own, { requestId: { x: ['7'] } }],
    ] as const) {
      assert.equal((await from.notify('notifications/cancelled', params)).status, 202);
    }
    await own.call('ping');
    assert.equal(server.catalogue.aborted, 0);
    held.open();
    for (const { error } of await Promise.all(running)) assert.equal(error, undefined);
  });

  it('is answered as a stream once there is progress, one message an event, the answer last', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    for (const era of eras) {
      const caller = await client(gateway, era);
      const call = (meta: JsonObject) =>
        caller.call(
          'tools/call',
          { name: 'mcp.files.slow', arguments: { ms: 10, steps: 2 } },
          { id: 'é', meta },
        );
      const quiet = await call({});
      assert.equal(quiet.response.header('content-type'), 'application/json', 'nobody asked for progress');
      const told = await call({ progressToken: 0 });
      assert.equal(told.response.header('content-type'), 'text/event-stream');
      assert.equal(told.response.header('x-accel-buffering'), 'no');
      assert.deepEqual(
        told.notes.map(({ params }) => isJsonObject(params) && params['progressToken']),
        [0, 0],
      );
      assert.equal(told.message['id'], 'é');
      assert.ok(told.response.body.endsWith('\n\n'));
    }
  });

  it('is answered as JSON without progress where the caller takes no stream', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    for (const era of eras) {
      const caller = await client(gateway, era);
      const params = { name: 'mcp.files.slow', arguments: { ms: 10, steps: 2 } };
      for (const accept of [[], [['accept', 'application/json'] as const]]) {
        const headers = [
          ...caller.headers('tools/call', params).filter(([name]) => name !== 'accept'),
          ...accept,
        ];
        const response = await probe(caller.url, {
          headers,
          body: caller.body('tools/call', params, { meta: { progressToken: 1 } }),
        });
        assert.equal(response.header('content-type'), 'application/json');
        assert.equal(messagesOf(response).length, 1);
        assert.match(response.body, /waited 10 ms/);
      }
    }
  });
});

describe('a stream', () => {
  it('over the bound is told to come again; a session may still put a new one in the place of its own', async () => {
    await using gateway = await stage({ config: { streamsMax: 1 } });
    const [legacy, other, modern] = [
      await client(gateway, 'legacy'),
      await client(gateway, 'legacy'),
      await client(gateway, 'modern'),
    ];
    const first = await legacy.listen();
    assert.equal(first.status, 200);
    for (const one of [other, modern]) {
      await using refused = await one.listen();
      assert.equal(refused.status, 503);
      assert.equal(refused.header('retry-after'), '5');
    }
    await using again = await legacy.listen();
    assert.equal(again.status, 200);
    assert.equal(await first.next(), undefined, 'the old one ended');
    again.close();
    let opened = 0;
    await until(() => {
      void modern.listen().then((stream) => {
        if (stream.status === 200) opened += 1;
        stream.close();
      });
      return opened > 0;
    }, 'room for another one');
  });

  it('of a session is bound to its principal and door as everything else is', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    const caller = await client(gateway, 'legacy', keys.alice, '/servers/files/mcp');
    const at = (path: string, key: string) =>
      probe(gateway.url + path, {
        headers: [
          ['accept', 'text/event-stream'],
          ['x-api-key', key],
          ['mcp-session-id', caller.session ?? ''],
        ],
      });
    for (const [path, key] of [
      ['/mcp', keys.alice],
      ['/servers/files/mcp', keys.bob],
    ] as const)
      assert.equal((await at(path, key)).status, 404);
    await using own = await caller.listen();
    assert.equal(own.status, 200);
  });

  it('tells one change of the fleet once a kind, however many servers it touches', async () => {
    await using server = await startModernServer();
    const fleet = ['a', 'b', 'c', 'd'].map((name) => ({ name, endpoint: server.url }));
    await using gateway = await stage({ servers: fleet });
    const [legacy, modern] = [await client(gateway, 'legacy'), await client(gateway, 'modern')];
    await using session = await legacy.listen();
    await using subscription = await modern.listen({ toolsListChanged: true, resourcesListChanged: false });
    assert.match(
      (await subscription.next())?.data ?? '',
      /acknowledged.*"notifications":\{"toolsListChanged":true\}/,
    );
    await gateway.fleet(fleet.slice(0, 1));
    const told: unknown[] = [];
    for (let n = 0; n < 3; n += 1)
      told.push((JSON.parse((await session.next())?.data ?? '{}') as JsonObject)['method']);
    assert.deepEqual(
      [...told].sort(),
      ['prompts', 'resources', 'tools'].map((kind) => `notifications/${kind}/list_changed`),
    );
    assert.match((await subscription.next())?.data ?? '', /notifications\/tools\/list_changed/);
    // The end of the session ends its stream, so whatever more was told would come before it.
    assert.equal(
      (await probe(legacy.url, { method: 'DELETE', headers: legacy.headers('', {}) })).status,
      204,
    );
    assert.equal(await session.next(), undefined);
    assert.equal((subscription.received.match(/list_changed"/g) ?? []).length, 1);
  });

  it('of a modern caller is acknowledged with its id as spelled, and asks for nothing it does not know', async () => {
    await using gateway = await stage();
    const caller = await client(gateway, 'modern');
    const headers = [
      ...caller.headers('subscriptions/listen', {}).filter(([name]) => name !== 'accept'),
      ['accept', 'application/json'] as const,
    ];
    for (const id of ['"\\u0061b"', '-7']) {
      const body = caller
        .body('subscriptions/listen', { notifications: { toolsListChanged: true, x: true } })
        .replace(/"id":\d+/, `"id":${id}`);
      await using stream = await probeSse(caller.url, { headers, body });
      const first = (await stream.next())?.data ?? '';
      assert.ok(first.includes(`"io.modelcontextprotocol/subscriptionId":${id}`), first);
      assert.ok(first.endsWith('"notifications":{"toolsListChanged":true}}}'), first);
    }
  });
});

describe('initialize', () => {
  it('gives each session an id of its own that cannot be guessed, and says what the gateway is', async () => {
    await using gateway = await stage();
    const ids = new Set<string>();
    for (let n = 0; n < 20; n += 1) {
      const { session, face } = await client(gateway, 'legacy');
      ids.add(session ?? '');
      assert.partialDeepStrictEqual(face, {
        serverInfo: { name: 'cruvero-mcp' },
        instructions: 'No server is connected yet.',
      });
    }
    assert.equal(ids.size, 20);
    for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{32,}$/);
  });

  it('over the bound of sessions forgets the one idle longest, whose id brings it back', async () => {
    await using gateway = await stage({ config: { sessionsMax: 2 } });
    const [first, second] = [await client(gateway, 'legacy'), await client(gateway, 'legacy')];
    await first.call('ping');
    const third = await client(gateway, 'legacy');
    for (const one of [second, first, third]) assert.equal((await one.call('ping')).status, 200);
  });

  it('at the door of a server that is away says so instead of opening a session', async () => {
    await using gateway = await stage({ servers: [{ name: 'gone', endpoint: 'http://127.0.0.1:9/mcp' }] });
    const { error, response } = await new Client(
      'legacy',
      `${gateway.url}/servers/gone/mcp`,
      keys.alice,
    ).call('initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    });
    assert.equal(error?.code, -31053);
    assert.match(error?.message ?? '', /"gone" cannot be reached/);
    assert.equal(response.header('mcp-session-id'), undefined);
  });

  it('needs no key where everybody is let in on purpose', async () => {
    await using gateway = await stage({ config: { auth: 'none' } });
    for (const era of eras) {
      const caller = await new Client(era, `${gateway.url}/mcp`, undefined).open();
      assert.deepEqual((await caller.call('tools/list')).result['tools'], []);
    }
    assert.equal((await probe(`${gateway.url}/api/v1/mcp/status`)).status, 200);
    assert.ok(!(await probe(`${gateway.url}/`)).body.includes('YOUR-KEY'));
  });
});
