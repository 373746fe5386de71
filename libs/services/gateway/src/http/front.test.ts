/** Tests of the gateway's routes: methods, HEAD, mounts, the page at `/`, and the names under which they are counted. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { probe, startModernServer, type FixtureServer, type ProbeRequest } from '@cruvero/testkit';
import { Client } from '../client.fixture.ts';
import { keys, stage, type Stage } from '../gateway.fixture.ts';
import type { FrontParts } from './front.ts';
import { homePage } from './home-page.ts';

const mount = {
  prefix: '/admin',
  handler: (request, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ mounted: request.url }));
  },
} satisfies FrontParts['mounts'][number];

let server: FixtureServer;
let gateway: Stage;

before(async () => {
  server = await startModernServer();
  gateway = await stage({
    servers: [{ name: 'secret-name', endpoint: server.url }],
    mounts: [mount],
  });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

const ask = (path: string, request: ProbeRequest = {}) => probe(gateway.url, { path, ...request });

interface RpcError {
  readonly error: { readonly code: number; readonly message: string };
}

describe('the paths', () => {
  it('of the state are open, and answer HEAD without a body', async () => {
    for (const [path, type] of [
      ['/', 'text/html; charset=utf-8'],
      ['/healthz', 'application/json'],
      ['/readyz', 'application/json'],
      ['/metrics', 'text/plain; version=0.0.4; charset=utf-8'],
    ] as const) {
      const got = await ask(path);
      assert.equal(got.status, 200);
      assert.equal(got.header('content-type'), type);
      assert.ok(got.body.length > 0);
      assert.equal((await ask(`${path}?x=1`)).status, 200, 'a query changes nothing');
      const head = await ask(path, { method: 'HEAD', headers: [['connection', 'close']], timeoutMs: 2_000 });
      assert.deepEqual([head.status, head.body, head.header('content-type')], [200, '', type]);
    }
  });

  it('of the state take no other method', async () => {
    for (const path of ['/', '/healthz', '/readyz', '/metrics']) {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        const response = await ask(path, { method });
        assert.equal(response.status, 405, `${method} ${path}`);
        assert.equal(response.header('allow'), 'GET');
      }
    }
  });

  it('lead to a server at its own door, with or without a query', async () => {
    const client = await new Client(
      'modern',
      `${gateway.url}/servers/secret-name/mcp?from=test`,
      keys.alice,
    ).open();
    const { result } = await client.call('tools/call', { name: 'echo', arguments: { text: 'hi' } });
    assert.match(JSON.stringify(result), /"hi"/);
  });

  it('of a server that is not there are told apart from others only with a key', async () => {
    for (const path of ['/servers/secret-name/mcp', '/servers/unknown/mcp'])
      assert.equal((await ask(path, { method: 'POST' })).status, 401);
    const response = await ask('/servers/unknown/mcp', {
      method: 'POST',
      headers: [['x-api-key', keys.alice]],
    });
    assert.equal(response.status, 404);
    assert.match((response.json() as RpcError).error.message, /no server "unknown"; known: secret-name/);
    const zoe = await ask('/servers/secret-name/mcp', { method: 'POST', headers: [['x-api-key', keys.zoe]] });
    assert.match(
      (zoe.json() as RpcError).error.message,
      /no server "secret-name"; known: none/,
      'not to another tenant',
    );
  });

  it('under a mount belong to it, and only those', async () => {
    assert.deepEqual((await ask('/admin')).json(), { mounted: '/admin' });
    assert.deepEqual((await ask('/admin/a?b=c', { method: 'PUT', body: 'x' })).json(), {
      mounted: '/admin/a?b=c',
    });
    assert.equal((await ask('/administrator')).status, 404);
  });

  it('are counted under a bounded number of names', async () => {
    for (let n = 0; n < 30; n += 1) {
      await ask(`/made-up-${n}`);
      await ask(`/servers/made-up-${n}/mcp`);
      await ask(`/api/v1/mcp/made-up-${n}/status`);
    }
    const labels = [...gateway.telemetry.counts.keys()].filter((key) =>
      key.startsWith('mcpgw_http_requests_total'),
    );
    const counted = new Set(
      labels.map((key) => (JSON.parse(key.slice(key.indexOf('{'))) as { path: string }).path),
    );
    const known = [
      '/',
      '/mcp',
      '/healthz',
      '/readyz',
      '/metrics',
      '/servers/{name}/mcp',
      '/api/v1/mcp',
      '/admin',
      'other',
    ];
    for (const path of counted) assert.ok(known.includes(path), path);
    assert.ok(counted.has('other') && counted.has('/servers/{name}/mcp') && counted.has('/api/v1/mcp'));
  });
});

describe('the page at /', () => {
  it('says how many servers there are, but not which, and runs no script', async () => {
    const page = await ask('/');
    assert.match(page.body, /servers connected: 1\./);
    assert.ok(!page.body.includes('secret-name'));
    assert.ok(page.body.includes(`${gateway.url}/mcp`));
    assert.match(page.header('content-security-policy') ?? '', /default-src 'none'/);
    assert.equal(page.header('x-content-type-options'), 'nosniff');
    assert.ok(!/<script/i.test(page.body));
  });

  it('escapes what it is told', () => {
    const page = homePage({
      version: '<i>&"\'',
      url: 'http://x/"><script>alert(1)</script>',
      needsKey: true,
      servers: 0,
    });
    assert.ok(!page.includes('<script>') && !page.includes('<i>'));
    assert.ok(page.includes('&#60;script&#62;') && page.includes('&#60;i&#62;&#38;&#34;&#39;'));
  });

  it('speaks of a key only where one is needed', () => {
    const facts = { version: '1', url: 'http://127.0.0.1:1', servers: 0 };
    assert.match(homePage({ ...facts, needsKey: true }), /YOUR-KEY/);
    assert.ok(!homePage({ ...facts, needsKey: false }).includes('KEY'));
  });
});
