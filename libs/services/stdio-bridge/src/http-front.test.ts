/** The bridge over HTTP: paths, hosts, bodies, statuses. */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import type { Listener } from '@cruvero/ports';
import { probe, probeSse, settle, type ProbeRequest } from '@cruvero/testkit';
import type { BridgeBounds } from './bounds.ts';
import { echoes, legacyServer, modernServer, type Behaviour } from './fake-children.fixture.ts';
import { call, envelope, modernHeaders, rig, type RigOptions } from './rig.fixture.ts';

const loopback: Listener = {
  listen: async (handler) => {
    const server = createServer(handler);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return {
      url: `http://127.0.0.1:${port}`,
      host: '127.0.0.1',
      port,
      close: async () => {
        server.closeAllConnections();
        await new Promise<void>((resolve) => void server.close(() => resolve()));
      },
    };
  },
};

async function front(behaviour: Behaviour, options: RigOptions = {}) {
  const one = await rig(behaviour, { ...options, listener: loopback });
  await one.bridge.ready();
  const url = `${one.bridge.url}/servers/fake/fake.b1.0/mcp`;
  const request = (body: unknown, headers: Record<string, string> = {}): ProbeRequest => ({
    headers: Object.entries({
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...headers,
    }),
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const post = (body: unknown, headers: Record<string, string> = {}) => probe(url, request(body, headers));
  return { one, url, post, request, [Symbol.asyncDispose]: () => one[Symbol.asyncDispose]() };
}

describe('the HTTP front', { timeout: 20_000 }, () => {
  it('serves a legacy session from beginning to end', async () => {
    await using served = await front(legacyServer(echoes));
    const opened = await served.post(call('initialize', { protocolVersion: '2025-11-25' }));
    assert.equal(opened.status, 200);
    const headers = {
      'mcp-session-id': opened.header('mcp-session-id') ?? '',
      'mcp-protocol-version': '2025-11-25',
    };
    assert.equal(
      (await served.post({ jsonrpc: '2.0', method: 'notifications/initialized' }, headers)).status,
      202,
    );
    const called = await served.post(
      call('tools/call', { name: 'echo', arguments: { a: 1 } }, 'id'),
      headers,
    );
    assert.deepEqual(called.json(), { jsonrpc: '2.0', id: 'id', result: { content: [], echoed: { a: 1 } } });
    const ended = await probe(served.url, { method: 'DELETE', headers: Object.entries(headers) });
    assert.equal(ended.status, 204);
    assert.equal((await served.post(call('tools/list'), headers)).status, 404);
  });

  it('serves the modern era', async () => {
    await using served = await front(modernServer(echoes));
    const body = call('tools/call', { name: 'echo', arguments: 1, _meta: envelope });
    assert.equal((await served.post(body, modernHeaders('tools/call', 'echo'))).status, 200);
    assert.equal((await served.post(body, modernHeaders('tools/call', 'other'))).status, 400);
    assert.equal((await probe(served.url, { headers: [['accept', 'text/event-stream']] })).status, 405);
  });

  it('opens a stream with a byte at once, and carries notifications on it', async () => {
    await using served = await front(legacyServer());
    const headers = await served.one.session();
    await using stream = await probeSse(served.url, {
      headers: Object.entries({ ...headers, accept: 'text/event-stream' }),
    });
    assert.equal(stream.header('content-type'), 'text/event-stream');
    served.one.children.last.say({ jsonrpc: '2.0', method: 'notifications/prompts/list_changed' });
    assert.match((await stream.next())?.data ?? '', /prompts\/list_changed/);
    assert.match(stream.received, /^: open/);
    await served.one.clock.advance(15_000);
    served.one.children.last.say({ jsonrpc: '2.0', method: 'notifications/prompts/list_changed' });
    await stream.next();
    assert.match(stream.received, /: keep-alive/);
  });

  it('ends a stream that has become too old', async () => {
    await using served = await front(legacyServer(), { bounds: { streamAgeMs: 60_000 } });
    const headers = await served.one.session();
    await using stream = await probeSse(served.url, {
      headers: Object.entries({ ...headers, accept: 'text/event-stream' }),
    });
    await served.one.clock.advance(60_000);
    assert.equal(await stream.next(), undefined);
  });

  it('cuts a stream whose child died, without an end', async () => {
    await using served = await front(
      legacyServer((child, message) => {
        const token = message.params?._meta?.['progressToken'];
        child.say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token } });
        setImmediate(() => setImmediate(() => child.die()));
      }),
    );
    const headers = await served.one.session();
    const got = await served.post(call('tools/call', { _meta: { progressToken: 1 } }), headers);
    assert.equal(got.status, 200);
    assert.equal(got.whole, false);
  });

  it('gives what went wrong on the way a status and a sentence', async () => {
    const big: Behaviour = (child, message) => child.result(message, 'x'.repeat(2_000));
    const hang: Behaviour = () => undefined;
    const kinds: [Behaviour, Partial<BridgeBounds>, number, RegExp][] = [
      [hang, {}, 504, /did not answer within 60000 ms/],
      [(child) => child.die(), {}, 502, /ended by SIGKILL/],
      [big, { lineBytesMax: 1_000 }, 502, /larger than 1000 bytes/],
    ];
    for (const [behaviour, bounds, status, why] of kinds) {
      await using served = await front(legacyServer(behaviour), { bounds });
      const going = served.post(call('tools/call'), await served.one.session());
      while (served.one.children.all[0]?.got('tools/call').length === 0) await settle();
      await served.one.clock.advance(60_000);
      const got = await going;
      assert.equal(got.status, status, got.body);
      assert.match(got.body, why);
    }
  });

  it('takes a closed connection for a cancelled call', async () => {
    await using served = await front(legacyServer());
    const headers = await served.one.session();
    const gone = assert.rejects(
      probe(served.url, { ...served.request(call('tools/call'), headers), timeoutMs: 200 }),
    );
    await gone;
    for (let i = 0; i < 200 && served.one.children.last.got('notifications/cancelled').length === 0; i += 1)
      await settle();
    assert.equal(served.one.children.last.got('notifications/cancelled').length, 1);
  });

  it('refuses what is not meant for it, with a JSON-RPC error that helps', async () => {
    await using served = await front(legacyServer(echoes), { allowedOrigins: ['https://app.example.com'] });
    const json = { 'content-type': 'application/json', accept: '*/*' };
    const cases: [ProbeRequest & { path?: string }, number, RegExp][] = [
      [
        { host: 'evil.example.com', method: 'POST', headers: Object.entries(json), body: '{}' },
        403,
        /ALLOWED_HOSTS/,
      ],
      [
        {
          method: 'POST',
          headers: Object.entries({ ...json, origin: 'https://evil.example.com' }),
          body: '{}',
        },
        403,
        /ALLOWED_ORIGINS/,
      ],
      [
        {
          method: 'POST',
          headers: Object.entries({ ...json, origin: 'https://app.example.com' }),
          body: '{',
        },
        400,
        /not valid JSON/,
      ],
      [{ method: 'PUT' }, 405, /GET, POST, DELETE/],
      [{ path: '/mcp', method: 'POST', body: '{}' }, 404, /\/servers\//],
      [{ path: '/servers/../../etc/mcp', method: 'POST', body: '{}' }, 404, /\/servers\//],
      [
        {
          path: '/servers/fake/other/mcp',
          method: 'POST',
          headers: Object.entries(json),
          body: '{"jsonrpc":"2.0","id":1,"method":"x"}',
        },
        503,
        /no such instance/,
      ],
      [{ method: 'POST', headers: [['content-type', 'text/plain']], body: '{}' }, 415, /application\/json/],
      [
        { method: 'POST', headers: Object.entries({ ...json, accept: 'text/html' }), body: '{}' },
        406,
        /text\/event-stream/,
      ],
      [
        { method: 'POST', headers: Object.entries(json), body: 'x'.repeat((1 << 20) + 1) },
        413,
        /1048576 bytes/,
      ],
      [{ method: 'POST', headers: Object.entries(json), body: '' }, 400, /not valid JSON/],
      [{ method: 'POST', headers: Object.entries(json), body: '[{}]' }, 400, /Batches/],
      [{ method: 'GET', headers: [['accept', 'text/event-stream']] }, 400, /Mcp-Session-Id/],
    ];
    for (const [request, status, why] of cases) {
      const got = await probe(served.url, request);
      assert.equal(got.status, status, got.body);
      assert.match(got.body, why);
      assert.equal((got.json() as { jsonrpc: string }).jsonrpc, '2.0');
    }
    assert.equal(served.one.children.all.length, 1, 'nothing of this reached a process');
  });
});
