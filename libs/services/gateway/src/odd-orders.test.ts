/** What comes in an order that is rare: an instance that goes while clients listen at it, clients that go at a bad moment. */

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { memoryCache } from '@cruvero/adapter-memory';
import { systemClock } from '@cruvero/chassis';
import { isJsonObject, readGatewayId, type JsonObject } from '@cruvero/core';
import type { Cache, Upstream } from '@cruvero/ports';
import { probe, type SseProbe } from '@cruvero/testkit';
import { Client } from './client.fixture.ts';
import { FakeFleet } from './fleet.fixture.ts';
import { baseConfig, keys, memoryFile, stage, until } from './gateway.fixture.ts';
import { LegacyServer } from './legacy-server.fixture.ts';

const path = '/servers/notes/mcp';
const at = (endpoint: string) => ({ name: 'notes', endpoint });
const slow = { name: 'slow', arguments: {} };
const updated = (params: JsonObject): JsonObject => ({ method: 'notifications/resources/updated', params });

async function nextOf(stream: SseProbe): Promise<JsonObject> {
  const event = await stream.next();
  if (!event) assert.fail('the stream ended');
  return event.data === '' ? nextOf(stream) : (JSON.parse(event.data) as JsonObject);
}

describe('an instance that goes while a client listens at it', () => {
  for (const between of ['with another one at once', 'with another one a while later']) {
    it(`is followed ${between} for a legacy session`, async () => {
      const server = new LegacyServer();
      await using gateway = await stage({ upstreams: { http: server }, servers: [at('http://a.test/mcp')] });
      const client = await new Client('legacy', gateway.url + path, keys.alice).open();
      await using stream = await client.listen();
      await until(() => server.listening > 0);
      await client.call('resources/subscribe', { uri: 'note://1' });
      if (between.endsWith('later')) {
        await gateway.fleet([]);
        await until(() => server.listening === 0);
      }
      await gateway.fleet([at('http://b.test/mcp')]);
      await until(() => server.count('resources/subscribe') === 2 && server.listening === 1);
      const note = await nextOf(stream);
      assert.deepEqual(
        note['method'] === 'notifications/resources/updated' && note['params'],
        { uri: 'note://1' },
        'it may have changed meanwhile',
      );
      server.say(updated({ uri: 'note://1', n: 2 }));
      assert.deepEqual((await nextOf(stream))['params'], { uri: 'note://1', n: 2 });
      assert.deepEqual((await client.call('resources/subscribe', { uri: 'note://2' })).result, {});
    });
  }

  it('ends the subscription of a modern client, who subscribes anew', async () => {
    const server = new LegacyServer();
    await using gateway = await stage({ upstreams: { http: server }, servers: [at('http://a.test/mcp')] });
    const client = await new Client('modern', gateway.url + path, keys.alice).open();
    await using stream = await client.listen({ resourceSubscriptions: ['note://1'] });
    assert.equal((await nextOf(stream))['method'], 'notifications/subscriptions/acknowledged');
    await gateway.fleet([at('http://b.test/mcp')]);
    const { result } = await nextOf(stream);
    assert.equal(isJsonObject(result) && result['resultType'], 'complete');
    await using again = await client.listen({ resourceSubscriptions: ['note://1'] });
    await nextOf(again);
    await until(() => server.listening === 1);
    server.say(updated({ uri: 'note://1' }));
    assert.equal((await nextOf(again))['method'], 'notifications/resources/updated');
  });
});

describe('a resource that is subscribed to twice at once', () => {
  it('has one subscription, which is taken back once', async () => {
    const server = new LegacyServer();
    const gate = Promise.withResolvers<undefined>();
    server.serve = ({ method }) => (method === 'resources/subscribe' ? gate.promise : undefined);
    await using gateway = await stage({ upstreams: { http: server }, servers: [{ name: 'notes' }] });
    const client = await new Client('legacy', gateway.url + path, keys.alice).open();
    const both = [1, 2].map(() => client.call('resources/subscribe', { uri: 'note://1' }));
    await until(() => server.count('resources/subscribe') === 2);
    gate.resolve(undefined);
    await Promise.all(both);
    await client.call('resources/unsubscribe', { uri: 'note://1' });
    assert.equal(server.count('resources/unsubscribe'), 1);
  });
});

describe('a client that goes', () => {
  it('during its first call leaves no session at the server behind', async () => {
    const server = new LegacyServer();
    const gate = Promise.withResolvers<undefined>();
    server.serve = ({ method }) => (method === 'tools/call' ? gate.promise : undefined);
    await using gateway = await stage({ upstreams: { http: server }, servers: [{ name: 'notes' }] });
    const client = await new Client('legacy', gateway.url + path, keys.alice).open();
    const called = client.call('tools/call', slow);
    await until(() => server.count('tools/call') === 1);
    const headers = client.headers('', {}).filter(([name]) => name !== 'content-type');
    await probe(client.url, { method: 'DELETE', headers });
    gate.resolve(undefined);
    await called;
    const own = server.of('tools/call')[0]?.session;
    await until(() => server.of('DELETE').some(({ session }) => session === own));
  });

  it('while its session is looked for leaves no stream behind', async () => {
    const cache = memoryCache({ clock: systemClock });
    const looked = Promise.withResolvers<undefined>();
    const asked = Promise.withResolvers<undefined>();
    const slowCache: Cache = {
      get: async (key) => {
        if (key.startsWith('session/')) {
          asked.resolve(undefined);
          await looked.promise;
        }
        return cache.get(key);
      },
      set: (key, value, ttlMs) => cache.set(key, value, ttlMs),
      delete: (key) => cache.delete(key),
      [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
    };
    const shared = { sealFile: memoryFile(), upstreams: { http: new LegacyServer() } };
    const servers = [{ name: 'notes' }];
    await using one = await stage({ ...shared, servers, cache });
    const gatewayId = readGatewayId('gw2') ?? baseConfig.gatewayId;
    await using two = await stage({
      ...shared,
      servers,
      cache: slowCache,
      broker: one.broker,
      config: { gatewayId },
    });
    const client = await new Client('legacy', one.url + path, keys.alice).open();
    const headers = client.headers('', {}).filter(([name]) => name !== 'content-type');
    const get = request(two.url + path, { headers: Object.fromEntries(headers) });
    get.on('error', () => undefined);
    get.end();
    await asked.promise;
    get.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    looked.resolve(undefined);
    await until(() => two.telemetry.gauge('mcpgw_sessions') === 1);
    assert.equal(two.telemetry.gauge('mcpgw_streams'), 0);
  });
});

describe('a call', () => {
  const scripted = (
    fleet: Upstream,
    answer: (id: string, token: string) => AsyncIterable<string>,
  ): Upstream => ({
    exchange: async (asked) => {
      const message = JSON.parse(asked.body ?? '{}') as JsonObject;
      if (message['method'] !== 'tools/call') return fleet.exchange(asked);
      const params = isJsonObject(message['params']) ? message['params'] : {};
      const meta = isJsonObject(params['_meta']) ? params['_meta'] : {};
      const chunks = answer(JSON.stringify(message['id']), JSON.stringify(meta['progressToken'] ?? null));
      return {
        status: 200,
        headers: { 'content-type': 'text/event-stream' },
        body: { kind: 'stream', chunks },
      };
    },
    [Symbol.asyncDispose]: async () => undefined,
  });
  const progressed = (token: string): string =>
    `data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1}}\n\n`;
  const answered = (id: string, result = '{"content":[]}'): string =>
    `data: {"jsonrpc":"2.0","id":${id},"result":${result}}\n\n`;

  it('whose result names a member twice ends with it, and ends nothing else', async () => {
    const fleet = new FakeFleet();
    fleet.at('http://notes.test/mcp').tools = [{ name: 'slow', inputSchema: { type: 'object' } }];
    const upstream = scripted(fleet, async function* (id) {
      yield answered(id, '{"a":1,"a":2}');
    });
    await using gateway = await stage({ upstreams: { http: upstream }, servers: [{ name: 'notes' }] });
    for (const capabilities of [{}, { elicitation: {} }]) {
      const client = await new Client('modern', gateway.url + path, keys.alice, capabilities).open();
      const { status, result } = await client.call('tools/call', slow);
      assert.deepEqual([status, result], [200, { a: 2 }]);
    }
  });

  it('is told of its progress under the token of the request that brought the answers', async () => {
    const server = new LegacyServer();
    const upstream = scripted(server, async function* (id, token) {
      yield progressed(token);
      yield 'data: {"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"?"}}\n\n';
      await until(() => server.count('answer') > 0);
      yield progressed(token);
      yield answered(id);
    });
    await using gateway = await stage({ upstreams: { http: upstream }, servers: [{ name: 'notes' }] });
    const client = await new Client('modern', gateway.url + path, keys.alice, { elicitation: {} }).open();
    const tokens = (notes: readonly JsonObject[]) =>
      notes.map(({ params }) => isJsonObject(params) && params['progressToken']);
    const asked = await client.call('tools/call', slow, { meta: { progressToken: 'first' } });
    assert.deepEqual(tokens(asked.notes), ['first']);
    const { requestState = '' } = asked.result;
    const inputResponses = { input_1: { action: 'decline' } };
    const again = { ...slow, requestState, inputResponses };
    const done = await client.call('tools/call', again, { meta: { progressToken: 'second' } });
    assert.deepEqual(tokens(done.notes), ['second']);
    assert.deepEqual(done.result['content'], []);
  });

  it('is told of its progress under its token as it was spelled, however many digits it has', async () => {
    const upstream = scripted(new LegacyServer(), async function* (id, token) {
      yield progressed(token);
      yield answered(id);
    });
    await using gateway = await stage({ upstreams: { http: upstream }, servers: [{ name: 'notes' }] });
    const client = await new Client('legacy', gateway.url + path, keys.alice).open();
    const token = '9007199254740993';
    const body = client.body('tools/call', slow, { meta: { progressToken: '?' } }).replace('"?"', token);
    const { body: said } = await probe(client.url, { headers: client.headers('tools/call', slow), body });
    assert.match(said, new RegExp(`"progressToken":${token},`));
  });
});
