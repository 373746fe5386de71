/** Tests of the gateway as a whole: what it remembers over a restart, when it is ready, how it drains. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readServerName, type JsonObject } from '@cruvero/core';
import { probe, startModernServer } from '@cruvero/testkit';
import { Client, eras } from './client.fixture.ts';
import { gate } from './gate.fixture.ts';
import { FakeFleet } from './fleet.fixture.ts';
import {
  authPayload,
  profileRow,
  keys,
  memoryFile,
  serverRow,
  stage,
  until,
  type Stage,
} from './gateway.fixture.ts';

const client = (gateway: Stage, era: 'legacy' | 'modern' = 'modern') =>
  new Client(era, `${gateway.url}/mcp`, keys.alice).open();
const lists = ['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list'];
const warnings = (gateway: Stage): readonly string[] =>
  gateway.telemetry.lines
    .filter(({ level }) => level === 'warn' || level === 'error')
    .map(({ message }) => message);

describe('the last known state', () => {
  it('lets a second gateway serve lists and calls though the control plane and the bus are gone', async () => {
    await using server = await startModernServer();
    const file = memoryFile();
    const before: JsonObject[] = [];
    {
      await using first = await stage({
        servers: [{ name: 'files', endpoint: server.url }],
        stateFile: file,
      });
      const caller = await client(first);
      for (const method of lists) before.push((await caller.call(method)).result);
    }
    assert.ok(file.text !== undefined, 'it was written at the end');
    assert.ok(!file.text.includes('cmk_'), 'keys are not in it, only their hashes');
    await using second = await stage({ configured: false, stateFile: memoryFile(file.text) });
    second.broker.setReachable(false);
    assert.equal(await second.gateway.ready([], 5_000), true);
    for (const era of eras) {
      const caller = await client(second, era);
      for (const [at, method] of lists.entries()) {
        const { result } = await caller.call(method);
        for (const [name, items] of Object.entries(before[at] ?? {}))
          if (Array.isArray(items)) assert.deepEqual(result[name], items);
      }
      const { result } = await caller.call('tools/call', {
        name: 'mcp.files.echo',
        arguments: { text: 'still' },
      });
      assert.match(JSON.stringify(result), /"still"/);
    }
    assert.equal((await probe(`${second.url}/readyz`)).status, 200);
  });

  it('shows the lists of a server that is away as they were, and says of a call that it is', async () => {
    const file = memoryFile();
    {
      await using server = await startModernServer();
      await using _first = await stage({
        servers: [{ name: 'files', endpoint: server.url }],
        stateFile: file,
      });
    }
    await using second = await stage({ configured: false, stateFile: memoryFile(file.text) });
    const caller = await client(second);
    const { result } = await caller.call('tools/list');
    assert.equal((result['tools'] as readonly unknown[]).length, 12);
    const { error } = await caller.call('tools/call', { name: 'mcp.files.echo', arguments: {} });
    assert.equal(error?.code, -31053);
  });

  for (const [name, text] of [
    ['damaged', '{"payloads":'],
    ['of another program', '[1,2,3]'],
    ['empty', ''],
  ] as const) {
    it(`that is ${name} is said, and the control plane waited for`, async () => {
      await using gateway = await stage({ configured: false, stateFile: memoryFile(text) });
      assert.deepEqual(warnings(gateway), [
        'the last known state cannot be read; waiting for the control plane',
      ]);
      assert.equal((await probe(`${gateway.url}/readyz`)).status, 503);
      await gateway.configure('auth', authPayload());
      assert.equal((await probe(`${gateway.url}/readyz`)).status, 200);
    });
  }

  it('of which a part is wrong gives the other parts', async () => {
    const policy = { version: 2, profiles: [profileRow()] };
    const payloads = {
      auth: authPayload(3),
      servers: { version: 'x' },
      server_settings: 7,
      policy,
      unknown: {},
    };
    const text = JSON.stringify({ payloads, lists: { 'default/files': { tools: ['[', '[1]', 7] }, x: 1 } });
    await using gateway = await stage({ configured: false, stateFile: memoryFile(text) });
    assert.deepEqual(warnings(gateway), [
      'a part of the last known state cannot be read',
      'a part of the last known state cannot be read',
    ]);
    assert.deepEqual(gateway.gateway.snapshot().versions, { servers: 0, policy: 2, auth: 3 });
    assert.deepEqual((await (await client(gateway)).call('tools/list')).result['tools'], []);
  });

  it('that cannot be written is said, and the gateway goes on', async () => {
    const file = { ...memoryFile(), write: () => Promise.reject(new Error('the disk is full')) };
    await using gateway = await stage({ stateFile: file });
    await until(() => warnings(gateway).includes('the last known state cannot be written'), 'the line');
    assert.equal((await (await client(gateway)).call('tools/list')).status, 200);
  });
});

describe('readiness', () => {
  it('waits for the control plane, and says so', async () => {
    await using gateway = await stage({ configured: false });
    assert.equal(await gateway.gateway.ready([], 60), false);
    const { body, status } = await probe(`${gateway.url}/readyz`);
    assert.equal(status, 503);
    assert.match(body, /no configuration has come from the control plane yet/);
    assert.equal((await probe(`${gateway.url}/healthz`)).status, 200, 'alive it is');
    const answer = await probe(`${gateway.url}/mcp`, {
      headers: [['x-api-key', keys.alice]],
      method: 'POST',
    });
    assert.equal(answer.status, 401, 'and lets nobody in meanwhile');
    assert.ok(gateway.asked.length > 0, 'it asked for its configuration');
  });

  it('by name waits for that server', async () => {
    await using server = await startModernServer();
    await using gateway = await stage();
    const name = readServerName('files') ?? assert.fail();
    assert.equal(await gateway.gateway.ready([name], 60), false);
    const ready = gateway.gateway.ready([name], 5_000);
    await gateway.fleet([{ name: 'files', endpoint: server.url }]);
    assert.equal(await ready, true);
  });

  it('goes at once when the gateway is told to leave', async () => {
    await using gateway = await stage();
    assert.equal((await gateway.gateway.health.read()).ready, true);
    await gateway.gateway[Symbol.asyncDispose]();
    assert.equal((await gateway.gateway.health.read()).ready, false);
  });
});

describe('configuration', () => {
  it('that is wrong is refused as a whole, said on the bus, and the last good one stays', async () => {
    await using server = await startModernServer();
    await using gateway = await stage({ servers: [{ name: 'files', endpoint: server.url }] });
    const before = gateway.gateway.snapshot();
    await gateway.configure('servers', { version: 99, servers: [{ name: 7 }] });
    const last = gateway.events.findLast(({ event_type }) => event_type === 'config.rejected');
    assert.partialDeepStrictEqual(last, { payload: { scope: 'servers' } });
    assert.equal(gateway.gateway.snapshot(), before);
    assert.equal((await (await client(gateway)).call('tools/list')).status, 200);
  });

  it('that is older than what is applied changes nothing', async () => {
    await using gateway = await stage();
    await gateway.configure('auth', authPayload(5));
    await gateway.world.publish('mcpgw.gw.config.auth', { version: 4, mode: 'apikey', keys: [] });
    await gateway.world.flush();
    await gateway.configure('policy', { version: 6, profiles: [] });
    assert.equal(gateway.gateway.snapshot().versions.auth, 5);
    assert.equal((await (await client(gateway)).call('tools/list')).status, 200);
  });

  it('without a key ends that key from the next request on', async () => {
    await using gateway = await stage();
    const caller = await client(gateway);
    assert.equal((await caller.call('tools/list')).status, 200);
    await gateway.configure('auth', { version: 2, mode: 'apikey', keys: [] });
    assert.equal((await caller.call('tools/list')).status, 401);
  });
});

describe('the end', () => {
  it('lets running calls finish, tells modern streams that they are complete, and takes no new connection', async () => {
    const held = gate();
    await using server = await startModernServer({ extraTools: [held.tool] });
    await using gateway = await stage({
      servers: [{ name: 'files', endpoint: server.url }],
      config: { drainMs: 5_000 },
    });
    const [legacy, modern] = [await client(gateway, 'legacy'), await client(gateway, 'modern')];
    await using session = await legacy.listen();
    await using subscription = await modern.listen();
    await subscription.next();
    const running = [legacy, modern].map((one) =>
      one.call('tools/call', { name: 'mcp.files.gate', arguments: {} }),
    );
    await until(() => held.waiting() === 2, 'both calls');
    const closed = gateway.gateway[Symbol.asyncDispose]();
    assert.equal(await session.next(), undefined);
    assert.deepEqual(JSON.parse((await subscription.next())?.data ?? '{}'), {
      jsonrpc: '2.0',
      id: 'listen',
      result: { resultType: 'complete', _meta: { 'io.modelcontextprotocol/subscriptionId': 'listen' } },
    });
    assert.equal(await subscription.next(), undefined);
    let refused = false;
    await until(() => {
      probe(`${gateway.url}/healthz`, { timeoutMs: 500 }).catch(() => (refused = true));
      return refused;
    }, 'the end of listening');
    held.open();
    for (const { status, error } of await Promise.all(running))
      assert.deepEqual([status, error], [200, undefined]);
    await closed;
  });

  it('comes at its bound though a call does not end', async () => {
    const held = gate();
    await using server = await startModernServer({ extraTools: [held.tool] });
    await using gateway = await stage({
      servers: [{ name: 'files', endpoint: server.url }],
      config: { drainMs: 50 },
    });
    const caller = await client(gateway, 'legacy');
    const running = caller.call('tools/call', { name: 'mcp.files.gate', arguments: {} });
    const outcome = running.then(
      ({ status }) => status,
      () => 'cut' as const,
    );
    await until(() => held.waiting() === 1, 'the call');
    const fromMs = performance.now();
    await gateway.gateway[Symbol.asyncDispose]();
    assert.ok(performance.now() - fromMs < 2_000);
    assert.equal(await outcome, 'cut');
    await until(() => server.catalogue.aborted === 1, 'the end at the server', 3_000);
  });
});

describe('a listening client of a virtual server', () => {
  it('is told when its definition changes, and when a member does, and of no other server', async () => {
    const fleet = new FakeFleet();
    await using gateway = await stage({ upstreams: { http: fleet } });
    const servers = ['files', 'web'].map((name) => serverRow({ name, endpoint: `http://${name}.test` }));
    const configure = async (version: number, members: readonly JsonObject[], listed = servers) => {
      const virtual_servers = [{ tenant_id: 'default', name: 'desk', members }];
      await gateway.configure('servers', { version, servers: listed, virtual_servers });
      assert.ok(await gateway.gateway.ready([], 5_000));
    };
    await configure(10, [{ server: 'files' }]);
    const listener = await new Client('legacy', `${gateway.url}/virtual/desk/mcp`, keys.alice).open();
    await using stream = await listener.listen();
    const next = async (): Promise<string> => {
      for (;;) {
        const { data } = (await stream.next()) ?? assert.fail('the stream ended');
        if (data !== '') return String((JSON.parse(data) as JsonObject)['method']);
      }
    };
    await configure(11, [{ server: 'files' }], servers.slice(0, 1));
    await configure(12, [{ server: 'files', tools: ['read_*'] }], servers.slice(0, 1));
    assert.deepEqual(
      [await next(), await next(), await next()],
      ['tools', 'resources', 'prompts'].map((list) => `notifications/${list}/list_changed`),
      'the server that went was no member',
    );
    await configure(13, [{ server: 'files', tools: ['read_*'] }], []);
    assert.match(await next(), /list_changed$/);
  });
});
