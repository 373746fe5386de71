/** Two gateways with one bus, one cache and one legacy server: where a client's requests and its stream go makes no difference to it. */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { memoryCache } from '@cruvero/adapter-memory';
import { systemClock } from '@cruvero/chassis';
import { isJsonObject, readGatewayId, type JsonObject } from '@cruvero/core';
import type { Cache } from '@cruvero/ports';
import { probe, type SseProbe } from '@cruvero/testkit';
import { Client } from './client.fixture.ts';
import { baseConfig, keys, memoryFile, stage, until, type Stage } from './gateway.fixture.ts';
import { LegacyServer } from './legacy-server.fixture.ts';

const path = '/servers/notes/mcp';
const note = { method: 'notifications/resources/updated', params: { uri: 'note://1' } };

/** A cache whose every word can be read, as whoever has the store can. */
function openCache(): Cache & { readonly said: Map<string, string> } {
  const cache = memoryCache({ clock: systemClock });
  const said = new Map<string, string>();
  return {
    said,
    get: (key) => cache.get(key),
    set: (key, value, ttlMs) => {
      said.set(key, value);
      return cache.set(key, value, ttlMs);
    },
    delete: (key) => cache.delete(key),
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
}

async function pair(server: LegacyServer, cache: Cache | undefined): Promise<readonly [Stage, Stage]> {
  const options = {
    ...(cache ? { cache } : {}),
    sealFile: memoryFile(),
    upstreams: { http: server },
    servers: [{ name: 'notes' }],
  };
  // More than one message of the bus may hold.
  const bodyBytesMax = 4 << 20;
  const one = await stage({ ...options, config: { bodyBytesMax } });
  const gatewayId = readGatewayId('gw2') ?? baseConfig.gatewayId;
  const random = (): number => 0.3;
  return [one, await stage({ ...options, random, broker: one.broker, config: { gatewayId, bodyBytesMax } })];
}

/** Lets what was said on the bus arrive. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

async function nextOf(stream: SseProbe, method?: string): Promise<JsonObject> {
  for (;;) {
    const event = await stream.next();
    if (!event) assert.fail('the stream ended');
    const message = event.data === '' ? {} : (JSON.parse(event.data) as JsonObject);
    if (method === undefined ? message['method'] !== undefined : message['method'] === method) return message;
  }
}

for (const withCache of [true, false]) {
  describe(`two replicas ${withCache ? 'with' : 'without'} a shared store`, () => {
    let server: LegacyServer;
    let cache: ReturnType<typeof openCache> | undefined;
    let one: Stage;
    let two: Stage;

    beforeEach(async () => {
      server = new LegacyServer();
      cache = withCache ? openCache() : undefined;
      [one, two] = await pair(server, cache);
    });
    afterEach(async () => {
      await two[Symbol.asyncDispose]();
      await one[Symbol.asyncDispose]();
    });

    const open = (capabilities: JsonObject = {}): Promise<Client> =>
      new Client('legacy', one.url + path, keys.alice, capabilities).open();
    /** The same client, whose requests reach the other replica. */
    const atTwo = (client: Client): Client => {
      const other = new Client('legacy', two.url + path, keys.alice);
      other.session = client.session;
      return other;
    };
    const called = (client: Client) => client.call('tools/call', { name: 'slow', arguments: {} });

    it(`use ${withCache ? 'one session' : 'a session each'} at the server for a client`, async () => {
      const client = await open();
      await called(client);
      await called(atTwo(client));
      await called(client);
      const sessions = new Set(server.of('tools/call').map(({ session }) => session));
      assert.equal(sessions.size, withCache ? 1 : 2);
      const ids = server.of('tools/call').map(({ message }) => message['id']);
      if (withCache) assert.equal(new Set(ids).size, 3, 'ids are unique in the session');
      await probe(client.url, {
        method: 'DELETE',
        headers: client.headers('', {}).filter(([name]) => name !== 'content-type'),
      });
      await until(() => [...sessions].every((id) => !server.sessions.has(id ?? '')));
    });

    it('write nothing down that opens a session, there or here', async () => {
      const client = await open();
      await called(client);
      await client.call('tools/call', { name: 'slow', arguments: {}, task: { ttl: 1_000 } });
      await pause();
      const written = [...(cache?.said ?? [])].map((pair_) => pair_.join(' ')).join('\n');
      if (withCache) assert.match(written, /^upstream\//m);
      for (const secret of ['upstream-session-', client.session ?? '?', keys.alice, 'notes.test', 'task-1'])
        assert.ok(!written.includes(secret), secret);
    });

    it('tell an open stream of a resource that was subscribed to at the other one, once', async () => {
      const client = await open();
      await using stream = await atTwo(client).listen();
      await until(() => server.listening > 0);
      assert.deepEqual((await client.call('resources/subscribe', { uri: 'note://1' })).result, {});
      await pause();
      server.say(note);
      assert.deepEqual((await nextOf(stream))['params'], note.params);
      server.say({ ...note, params: { uri: 'note://1', n: 2 } });
      assert.deepEqual((await nextOf(stream))['params'], { uri: 'note://1', n: 2 }, 'nothing came twice');
      await atTwo(client).call('resources/unsubscribe', { uri: 'note://1' });
      await until(() => server.count('resources/unsubscribe') > 0);
    });

    it('tell a stream that was opened after the subscription at the other one', async () => {
      const client = await open();
      await client.call('resources/subscribe', { uri: 'note://1' });
      await until(() => server.listening > 0);
      await using stream = await atTwo(client).listen();
      await pause();
      server.say(note);
      assert.deepEqual((await nextOf(stream))['params'], note.params);
    });

    it('tell a stream of changed lists wherever it is', async () => {
      server.capabilities = { ...server.capabilities, tools: { listChanged: true } };
      await one.fleet([]);
      await two.fleet([]);
      await one.fleet([{ name: 'notes' }]);
      await two.fleet([{ name: 'notes' }]);
      const client = await open();
      await using stream = await atTwo(client).listen();
      await until(() => server.listening > 0);
      await called(client);
      server.say({ method: 'notifications/tools/list_changed' });
      assert.ok(await nextOf(stream, 'notifications/tools/list_changed'));
    });

    it('put a question of the server on the stream, wherever it is, and bring its progress and answer back', async () => {
      const client = await open({ elicitation: {} });
      await using stream = await atTwo(client).listen();
      await client.call('resources/subscribe', { uri: 'note://1' });
      await pause();
      const params = { message: 'Sure?', requestedSchema: {}, _meta: { progressToken: 'theirs', x: 1 } };
      server.say({ id: 77, method: 'elicitation/create', params });
      const asked = await nextOf(stream, 'elicitation/create');
      const own = asked['params'] as JsonObject;
      const meta = own['_meta'] as JsonObject;
      assert.equal(meta['progressToken'], asked['id']);
      for (const at of [client, atTwo(client)])
        await at.notify('notifications/progress', { progressToken: asked['id'] ?? null, progress: 1 });
      await until(() => server.count('notifications/progress') === 2);
      assert.deepEqual(server.of('notifications/progress')[0]?.params, {
        progressToken: 'theirs',
        progress: 1,
      });
      const answer = { jsonrpc: '2.0', id: asked['id'], result: { action: 'accept' } };
      await probe(client.url, { headers: client.headers('', {}), body: JSON.stringify(answer) });
      await until(() => server.of('answer').some(({ message }) => message['id'] === 77));
      const got = server.of('answer').find(({ message }) => message['id'] === 77)?.message['result'];
      assert.deepEqual(got, { action: 'accept' });
    });

    it('tell the server where an answer is too large to be brought to the replica that asked', async () => {
      const client = await open({ elicitation: {} });
      await using stream = await atTwo(client).listen();
      await client.call('resources/subscribe', { uri: 'note://1' });
      await pause();
      server.say({ id: 78, method: 'elicitation/create', params: { message: 'Sure?', requestedSchema: {} } });
      const asked = await nextOf(stream, 'elicitation/create');
      const large = { action: 'accept', content: { text: 'x'.repeat(1_100_000) } };
      const answer = { jsonrpc: '2.0', id: asked['id'], result: large };
      await probe(client.url, { headers: client.headers('', {}), body: JSON.stringify(answer) });
      await until(() => server.of('answer').some(({ message }) => message['id'] === 78));
      const got = server.of('answer').find(({ message }) => message['id'] === 78)?.message['error'];
      assert.partialDeepStrictEqual(got, { code: -32603 });
    });

    it('keep one log level and one set of resources for a client that turns to both', async () => {
      const client = await open();
      const other = atTwo(client);
      await called(client);
      await called(other);
      await client.call('logging/setLevel', { level: 'error' });
      await client.call('resources/subscribe', { uri: 'note://1' });
      await pause();
      await other.call('resources/subscribe', { uri: 'note://2' });
      const levels = server.of('logging/setLevel');
      await until(() => server.count('logging/setLevel') >= (withCache ? 1 : 2));
      assert.deepEqual(new Set(levels.map(({ params }) => params['level'])), new Set(['error']));
      await pause();
      const state = JSON.parse(
        [...(cache?.said ?? [])].find(([key]) => key.startsWith('session/'))?.[1] ?? '{}',
      );
      if (withCache) {
        assert.ok(isJsonObject(state));
        assert.deepEqual([state['logLevel'], state['uris']], ['error', ['note://1', 'note://2']]);
      }
      await other.call('resources/unsubscribe', { uri: 'note://1' });
      await until(() => server.count('resources/unsubscribe') === 1);
      assert.equal(server.of('resources/unsubscribe')[0]?.params['uri'], 'note://1');
    });

    it('tell every session at the server, once, that the roots changed', async () => {
      const client = await open({ roots: { listChanged: true } });
      await called(client);
      await called(atTwo(client));
      await atTwo(client).notify('notifications/roots/list_changed');
      const expected = withCache ? 1 : 2;
      await until(() => server.count('notifications/roots/list_changed') === expected);
      await pause();
      const told = server.of('notifications/roots/list_changed').map(({ session }) => session);
      assert.deepEqual(new Set(told), new Set(server.of('tools/call').map(({ session }) => session)));
      assert.equal(told.length, expected);
    });
  });
}
