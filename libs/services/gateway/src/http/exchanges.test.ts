/** How bodies end, which HTTP methods there are, and to whom a session belongs. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { JsonObject } from '@cruvero/core';
import { probe, probeRaw, startModernServer, type FixtureServer, type ProbeRequest } from '@cruvero/testkit';
import { Client } from '../client.fixture.ts';
import { keys, stage, until, type Stage } from '../gateway.fixture.ts';
import { both, json, judge, key, plain, version, type Expected } from './judge.fixture.ts';

let server: FixtureServer;
let gateway: Stage;
let legacy: Client;

before(async () => {
  server = await startModernServer();
  gateway = await stage({
    servers: [{ name: 'files', endpoint: server.url }],
    config: { bodyBytesMax: 64 << 10 },
  });
  legacy = await new Client('legacy', `${gateway.url}/mcp`, keys.alice).open();
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

const session = (): readonly [string, string] => ['mcp-session-id', legacy.session ?? ''];
const inSession = () => [...plain, version, session()];

describe('the body of a POST', () => {
  it('in chunks beyond the bound is answered 413 before it ends', async () => {
    const chunk = `1000\r\n${'x'.repeat(4_096)}\r\n`;
    const head = `POST /mcp HTTP/1.1\r\nHost: ${new URL(gateway.url).host}\r\nAuthorization: Bearer ${keys.alice}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const response = await probeRaw(gateway.url, head + chunk.repeat(20));
    judge(response, { status: 413, code: -32600, says: /larger than 65536 bytes/ });
  });

  for (const how of ['a length', 'chunks'] as const) {
    it(`of 10 MB with ${how} is answered 413 to a client that writes all of it, every time`, async () => {
      for (let times = 0; times < 10; times += 1) {
        const body = 'x'.repeat(10 << 20);
        const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
        const response = await probe(`${gateway.url}/mcp`, {
          headers: how === 'chunks' ? [...plain, ['transfer-encoding', 'chunked']] : plain,
          body: how === 'chunks' ? chunked : body,
        });
        judge(response, { status: 413, code: -32600, says: /larger than 65536 bytes/ });
      }
    });
  }

  it('in chunks below the bound is taken', async () => {
    const body = legacy.body('tools/list');
    const response = await probe(`${gateway.url}/mcp`, {
      headers: [...inSession(), ['transfer-encoding', 'chunked']],
      body: `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    });
    assert.equal(response.status, 200);
  });

  it('with a length that is none, or two of them, does not get past the parser', async () => {
    for (const length of ['-1', 'x', '5, 5']) {
      const response = await probe(`${gateway.url}/mcp`, {
        headers: [...plain, ['content-length', length]],
        body: '{}',
      });
      assert.equal(response.status, 400);
    }
    const smuggled = await probe(`${gateway.url}/mcp`, {
      headers: [...plain, ['content-length', '2'], ['transfer-encoding', 'chunked']],
      body: '0\r\n\r\n',
    });
    assert.equal(smuggled.status, 400);
  });

  it('whose client goes away in the middle of the body leaves nothing behind', async () => {
    const errors = gateway.telemetry.lines.length;
    await assert.rejects(
      probe(`${gateway.url}/mcp`, {
        headers: [...plain, ['content-length', '500']],
        body: '{',
        timeoutMs: 50,
      }),
    );
    assert.equal((await legacy.call('ping')).status, 200);
    assert.deepEqual(gateway.telemetry.lines.slice(errors), []);
  });

  it('that is an answer to a question is taken, though nothing was asked', async () => {
    const response = await probe(`${gateway.url}/mcp`, {
      headers: inSession(),
      body: '{"jsonrpc":"2.0","id":1,"result":{}}',
    });
    assert.equal(response.status, 202);
    assert.equal(response.body, '');
  });

  it('that is a notification is taken without a body', async () => {
    const response = await legacy.notify('notifications/whatever', { x: 1 });
    assert.deepEqual([response.status, response.body], [202, '']);
  });

  it('with an id that is still in use in the session is refused, and the first one goes on', async () => {
    const params = { name: 'mcp.files.slow', arguments: { ms: 200 } };
    const first = legacy.call('tools/call', params, { id: 'twin' });
    const runs = server.catalogue.executions.get('slow') ?? 0;
    await until(() => (server.catalogue.executions.get('slow') ?? 0) > runs);
    const second = await legacy.call('tools/call', params, { id: 'twin' });
    judge(second.response, { status: 400, code: -32600, says: /"twin" is in use/, id: 'twin' });
    assert.equal((await first).error, undefined);
    assert.equal((await legacy.call('ping', {}, { id: 'twin' })).status, 200, 'free again');
  });

  it('with equal ids in two sessions, or of modern clients, is no conflict', async () => {
    const other = await new Client('legacy', `${gateway.url}/mcp`, keys.alice).open();
    const modern_ = new Client('modern', `${gateway.url}/mcp`, keys.alice);
    const params = { name: 'mcp.files.slow', arguments: { ms: 50 } };
    const answers = await Promise.all(
      [legacy, other, modern_, modern_].map((one) => one.call('tools/call', params, { id: 5 })),
    );
    for (const { error } of answers) assert.equal(error, undefined);
  });
});

describe('another HTTP method on /mcp', () => {
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    it(`${method} is answered 405 with the methods that are taken`, async () => {
      const response = await probe(`${gateway.url}/mcp`, { method, headers: [key] });
      judge(response, { status: 405, code: -32600, says: /POST, GET, DELETE only/ });
      assert.equal(response.header('allow'), 'POST, GET, DELETE');
    });
  }

  it('HEAD is answered 405 without a body', async () => {
    const response = await probeRaw(
      gateway.url,
      `HEAD /mcp HTTP/1.1\r\nHost: ${new URL(gateway.url).host}\r\nX-Api-Key: ${keys.alice}\r\nConnection: close\r\n\r\n`,
    );
    assert.equal(response.status, 405);
    assert.equal(response.body, '');
  });

  const cases: readonly [string, () => ProbeRequest, Expected][] = [
    [
      'GET that takes no stream',
      () => ({ headers: [key, session()] }),
      { status: 406, code: -32600, says: /text\/event-stream/ },
    ],
    [
      'GET without a session',
      () => ({ headers: [key, ['accept', 'text/event-stream']] }),
      { status: 405, code: -32600, says: /POST only/ },
    ],
    [
      'GET of an unknown session',
      () => ({ headers: [key, ['accept', 'text/event-stream'], ['mcp-session-id', 'x']] }),
      { status: 404, code: -32600, says: /initialize again/ },
    ],
    [
      'DELETE without a session',
      () => ({ method: 'DELETE', headers: [key] }),
      { status: 405, code: -32600, says: /POST only/ },
    ],
    [
      'DELETE of an unknown session',
      () => ({ method: 'DELETE', headers: [key, ['mcp-session-id', 'x']] }),
      { status: 404, code: -32600, says: /initialize again/ },
    ],
  ];
  for (const [name, what, expected] of cases) {
    it(`${name} is answered ${expected.status}`, async () => {
      judge(await probe(`${gateway.url}/mcp`, what()), expected);
    });
  }
});

describe('a session', () => {
  it('of another principal, another tenant or another door looks like one that never was', async () => {
    const id = legacy.session ?? '';
    const list: JsonObject = { jsonrpc: '2.0', id: 1, method: 'ping' };
    const ask = (path: string, by: string, sessionId: string) =>
      probe(gateway.url + path, {
        headers: [json, both, ['x-api-key', by], version, ['mcp-session-id', sessionId]],
        body: JSON.stringify(list),
      });
    const unknown = await ask('/mcp', keys.alice, 'never-was');
    for (const response of [
      await ask('/mcp', keys.bob, id),
      await ask('/mcp', keys.zoe, id),
      await ask('/servers/files/mcp', keys.alice, id),
    ]) {
      assert.deepEqual([response.status, response.body], [unknown.status, unknown.body]);
    }
    for (const method of ['DELETE', 'GET']) {
      const response = await probe(`${gateway.url}/mcp`, {
        method,
        headers: [
          ['x-api-key', keys.bob],
          ['accept', 'text/event-stream'],
          ['mcp-session-id', id],
        ],
      });
      assert.equal(response.status, 404);
    }
    assert.equal((await legacy.call('ping')).status, 200, 'and it is still there for its own principal');
  });

  it('that was ended is not known any more, and its stream is closed', async () => {
    const client = await new Client('legacy', `${gateway.url}/mcp`, keys.bob).open();
    await using stream = await client.listen();
    const ended = await probe(`${gateway.url}/mcp`, { method: 'DELETE', headers: client.headers('', {}) });
    assert.equal(ended.status, 204);
    assert.equal(await stream.next(), undefined);
    assert.equal((await client.call('ping')).status, 404);
  });

  it('has one stream: a new one takes the place of the old', async () => {
    const client = await new Client('legacy', `${gateway.url}/mcp`, keys.bob).open();
    await using one = await client.listen();
    await using two = await client.listen();
    assert.equal(await one.next(), undefined);
    await gateway.fleet([
      { name: 'files', endpoint: server.url },
      { name: 'more', endpoint: server.url },
    ]);
    assert.match((await two.next())?.data ?? '', /list_changed/);
    await gateway.fleet([{ name: 'files', endpoint: server.url }]);
  });

  it('negotiates the version that was asked for where it is known, and the newest of its era otherwise', async () => {
    for (const [asked, given] of [
      ['2025-06-18', '2025-06-18'],
      ['2024-11-05', '2024-11-05'],
      ['2026-07-28', '2025-11-25'],
      ['nonsense', '2025-11-25'],
    ] as const) {
      const { result } = await legacy.call('initialize', {
        protocolVersion: asked,
        capabilities: 'x',
        clientInfo: [],
      });
      assert.equal(result['protocolVersion'], given);
    }
  });
});
