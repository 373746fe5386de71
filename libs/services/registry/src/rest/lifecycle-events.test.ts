/** Announcements over HTTP end in the same rows as those from the bus. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json, ServerName } from '@cruvero/core';
import { defaultTenant } from '@cruvero/core';
import { acme, agentKey, until, World } from '../world.fixture.ts';
import { Client, codeOf, messageOf, open } from './client.fixture.ts';

const path = '/api/v1/lifecycle';
const weather = 'weather' as ServerName;

const event = (type: string, payload: object, rest: object = {}): Json =>
  ({
    event_type: `mcp.${type}`,
    event_id: `evt-${type}`,
    timestamp: '2026-11-21T10:00:00Z',
    payload: { server: 'weather', instance_id: 'weather-1', ...payload },
    ...rest,
  }) as Json;
const announce = (rest: object = {}, payload: object = {}): Json =>
  event(
    'announce',
    {
      transport: 'http',
      endpoint: 'http://127.0.0.1:9000/mcp',
      tools: [{ name: 'forecast' }],
      heartbeat_interval_ms: 1_000,
      ...payload,
    },
    rest,
  );

describe('the lifecycle path', () => {
  it('takes an announcement, which becomes a server with its tools', async () => {
    await using world = new World();
    const client = await open(world);
    const answer = await client.post(path, announce());
    assert.deepEqual([answer.status, answer.body], [202, { action: 'none' }]);
    await until(
      'the server is kept',
      async () => (await world.memory.get(defaultTenant, weather))?.toolCount === 1,
    );
  });

  it('takes a deregistration, which takes the server away', async () => {
    await using world = new World();
    const client = await open(world);
    await client.post(path, announce());
    await until(
      'the server is kept',
      async () => (await world.memory.get(defaultTenant, weather)) !== undefined,
    );
    assert.equal((await client.post(path, event('deregister', {}))).status, 202);
    await until(
      'the server is gone',
      async () => (await world.memory.get(defaultTenant, weather)) === undefined,
    );
  });

  it('tells a sidecar that was forgotten to announce again, and one that is known nothing', async () => {
    await using world = new World();
    const client = await open(world);
    const beat = event('heartbeat', { seq: 1 });
    assert.deepEqual((await client.post(path, beat)).body, { action: 're_register' });
    await client.post(path, announce());
    await until(
      'the server is kept',
      async () => (await world.memory.get(defaultTenant, weather)) !== undefined,
    );
    assert.deepEqual((await client.post(path, beat)).body, { action: 'none' });
  });

  it('acknowledges only what the stream has stored', async () => {
    await using world = new World();
    const client = await open(world);
    world.broker.setReachable(false);
    const answer = await client.post(path, announce());
    assert.equal(answer.status, 503);
    assert.match(messageOf(answer), /could not be stored/);
  });

  it('puts a server into the tenant of the key, and lets only the platform’s admins name another', async () => {
    await using world = new World();
    const client = await open(world);
    assert.equal((await client.post(path, announce({ tenant_id: acme }))).status, 202);
    await until(
      'the server is kept for acme',
      async () => (await world.memory.get(acme, weather)) !== undefined,
    );
    assert.equal(await world.memory.get(defaultTenant, weather), undefined);
  });

  it('takes events of two tenants, or of two types, though they have one id', async () => {
    await using world = new World();
    const client = await open(world);
    const event_id = 'evt-1';
    assert.equal((await client.post(path, announce({ tenant_id: acme, event_id }))).status, 202);
    assert.equal((await client.post(path, announce({ event_id }))).status, 202);
    await until('both are kept', async () =>
      Boolean((await world.memory.get(acme, weather)) && (await world.memory.get(defaultTenant, weather))),
    );
    assert.equal((await client.post(path, event('deregister', {}, { event_id }))).status, 202);
    await until('one is gone', async () => (await world.memory.get(defaultTenant, weather)) === undefined);
  });

  it('refuses children of this process, events that are none, and keys without the scope admin', async () => {
    await using world = new World();
    const client = await open(world);
    const inproc = await client.post(
      path,
      announce({}, { transport: 'inproc', endpoint: 'inproc://everything/x' }),
    );
    assert.deepEqual([inproc.status, codeOf(inproc)], [400, 'bad_request']);
    for (const body of [
      {},
      { event_type: 'mcp.verdict' },
      announce({}, { server: 'No Name' }),
      [1],
    ] as Json[]) {
      assert.equal((await client.post(path, body)).status, 400, JSON.stringify(body));
    }
    const registry = await world.start();
    const agent = new Client(registry.listening?.url ?? '', agentKey);
    assert.equal((await agent.post(path, announce())).status, 403);
  });
});
