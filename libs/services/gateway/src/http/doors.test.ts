/** Every route asks first who is asked and who asks: Host, Origin, key. What needs no key tells nothing. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { probe, startModernServer, type FixtureServer, type ProbeRequest } from '@cruvero/testkit';
import { Client } from '../client.fixture.ts';
import { keys, stage, type Stage } from '../gateway.fixture.ts';

let server: FixtureServer;
let gateway: Stage;
before(async () => {
  server = await startModernServer();
  gateway = await stage({
    servers: [{ name: 'topsecret', endpoint: server.url }],
    config: {
      allowedHosts: ['mcp.example.com', 'exact.example.com:8443'],
      allowedOrigins: ['https://app.example.com'],
    },
    mounts: [
      { prefix: '/admin', handler: (_request, response) => void response.end('the admin API') },
      {
        prefix: '/broken',
        handler: (request, response) => {
          if (request.url === '/broken/late') response.writeHead(200).write('some');
          throw new Error('a bug with a secret in it');
        },
      },
    ],
  });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}';
const json: readonly [string, string] = ['content-type', 'application/json'];

/** Every route that there is, and some that are none. */
const routes: readonly [string, ProbeRequest][] = [
  ['/', {}],
  ['/healthz', {}],
  ['/readyz', {}],
  ['/metrics', {}],
  ['/mcp', { headers: [json], body: list }],
  ['/mcp', { method: 'DELETE' }],
  ['/mcp', { headers: [['accept', 'text/event-stream']] }],
  ['/servers/topsecret/mcp', { headers: [json], body: list }],
  ['/servers/unknown/mcp', { headers: [json], body: list }],
  ['/api/v1/mcp/status', {}],
  ['/api/v1/mcp/health', {}],
  ['/api/v1/mcp/services', {}],
  ['/api/v1/mcp/services/topsecret/status', {}],
  ['/api/v1/mcp/topsecret/status', {}],
  ['/api/v1/mcp/topsecret/capabilities', {}],
  ['/api/v1/mcp/services/topsecret/capabilities', {}],
  ['/api/v1/mcp/topsecret/execute', { headers: [json], body: '{"command":"tools/list"}' }],
  ['/api/v1/mcp/services/topsecret/execute', { headers: [json], body: '{"command":"tools/list"}' }],
  ['/admin/anything', {}],
  ['/nothing', {}],
];

const describeRoute = ([path, { method, body }]: (typeof routes)[number]): string =>
  `${method ?? (body === undefined ? 'GET' : 'POST')} ${path}`;

describe('a request that names another host', () => {
  for (const route of routes) {
    it(`is refused: ${describeRoute(route)}`, async () => {
      for (const host of [
        'evil.example.com',
        `localhost.evil.com:${gateway.gateway.listening.port}`,
        'exact.example.com',
        '127.0.0.1.nip.io',
        'a b',
        '',
      ]) {
        const [path, request] = route;
        const response = await probe(gateway.url + path, { ...request, host });
        assert.equal(response.status, 403, host);
        assert.match(response.body, /Host header .*CRUVERO_MCPGW_ALLOWED_HOSTS/);
      }
    });
  }

  it('twice is refused, though one of them is right', async () => {
    const own = new URL(gateway.url).host;
    const response = await probe(`${gateway.url}/healthz`, {
      host: null,
      headers: [
        ['host', own],
        ['host', 'evil.example.com'],
      ],
    });
    assert.ok(response.status === 403 || response.status === 400);
  });

  it('not at all is refused', async () => {
    assert.ok([400, 403].includes((await probe(`${gateway.url}/healthz`, { host: null })).status));
  });

  for (const host of [
    'localhost',
    '127.0.0.1',
    '[::1]:1234',
    'LOCALHOST:80',
    'mcp.example.com',
    'mcp.example.com:9',
    'exact.example.com:8443',
  ]) {
    it(`is no other where it is ${host}`, async () => {
      assert.equal((await probe(`${gateway.url}/healthz`, { host })).status, 200);
    });
  }
});

describe('a request of a web page', () => {
  for (const route of routes) {
    it(`that is not allowed is refused: ${describeRoute(route)}`, async () => {
      const [path, request] = route;
      for (const origin of [
        'https://evil.example.com',
        'null',
        'https://app.example.com.evil.com',
        'http://app.example.com',
        'https://app.example.com:8443',
      ]) {
        const headers = [
          ...(request.headers ?? []),
          ['origin', origin] as const,
          ['x-api-key', keys.alice] as const,
        ];
        const response = await probe(gateway.url + path, { ...request, headers });
        assert.equal(response.status, 403, origin);
        assert.match(response.body, /Origin .*CRUVERO_MCPGW_ALLOWED_ORIGINS/);
        assert.equal(response.header('access-control-allow-origin'), undefined);
      }
    });
  }

  it('that is allowed, or of this machine, is taken', async () => {
    for (const origin of ['https://app.example.com', 'http://localhost:5173', 'http://127.0.0.1']) {
      const response = await probe(`${gateway.url}/healthz`, { headers: [['origin', origin]] });
      assert.equal(response.status, 200);
    }
  });
});

describe('without a key', () => {
  for (const route of routes) {
    it(`nothing of any server is told: ${describeRoute(route)}`, async () => {
      const [path, request] = route;
      const before = server.catalogue.received.length;
      for (const headers of [
        [],
        [['authorization', 'Bearer wrong'] as const],
        [['authorization', 'Basic Og=='] as const],
      ]) {
        const response = await probe(gateway.url + path, {
          ...request,
          headers: [...(request.headers ?? []), ...headers],
        });
        assert.ok(!response.body.includes('topsecret') || path.includes('topsecret'), response.body);
        assert.ok(!response.body.includes('whoami-headers'));
        if (path.includes('mcp')) {
          assert.equal(response.status, 401, path);
          assert.equal(response.header('www-authenticate'), 'Bearer realm="cruvero-mcp"');
        }
      }
      assert.equal(server.catalogue.received.length, before, 'the server was asked');
    });
  }

  it('all that is open is open: alive, ready, metrics, the page', async () => {
    assert.partialDeepStrictEqual((await probe(`${gateway.url}/healthz`)).json(), {
      status: 'alive',
      service: 'gateway',
    });
    assert.partialDeepStrictEqual((await probe(`${gateway.url}/readyz`)).json(), { status: 'ready' });
    const metrics = await probe(`${gateway.url}/metrics`);
    assert.match(metrics.header('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(metrics.body, /mcpgw_http_requests_total/);
    const page = await probe(`${gateway.url}/`);
    assert.equal(page.header('content-type'), 'text/html; charset=utf-8');
    assert.match(page.header('content-security-policy') ?? '', /default-src 'none'/);
    assert.match(page.body, new RegExp(`"url": "${gateway.url}/mcp"`));
    assert.match(page.body, /Bearer YOUR-KEY/);
    assert.match(page.body, /servers connected: 1/);
  });
});

describe('a path', () => {
  const nowhere = [
    '/nothing',
    '/mcp/',
    '/MCP',
    '/mcp/x',
    '/servers/a/b/mcp',
    '/servers//mcp',
    '/servers/../mcp',
    '/servers/..%2f/mcp',
    '/servers/%2e%2e/mcp',
    '/servers/TOPSECRET/mcp',
    '/servers/topsecret/mcp/',
    '/servers/topsecret',
    '//mcp',
    '/%6dcp',
    '/api/v1/mcpx',
    '/adminx',
    '/.env',
  ];
  for (const path of nowhere) {
    it(`${path} leads nowhere, for any method`, async () => {
      for (const method of ['GET', 'POST', 'DELETE', 'PUT']) {
        const response = await probe(gateway.url, { method, path, headers: [['x-api-key', keys.alice]] });
        assert.equal(response.status, 404, method);
        assert.match(
          response.body,
          /MCP is at \/mcp, \/servers\/<name>\/mcp and \/virtual\/<name>\/mcp; HTTP\+SSE/,
        );
      }
    });
  }

  it('of great length is shown back cut', async () => {
    const response = await probe(gateway.url, { path: `/${'x'.repeat(8_000)}` });
    assert.equal(response.status, 404);
    assert.ok(response.body.length < 500);
  });

  it('with a query is the path without it', async () => {
    assert.equal((await probe(gateway.url, { path: '/healthz?key=1' })).status, 200);
    const response = await probe(gateway.url, {
      path: '/mcp?x=/servers/topsecret/mcp',
      headers: [json],
      body: list,
    });
    assert.equal(response.status, 401);
  });

  it('of an unknown server is told as such to who has a key, with the servers of its tenant', async () => {
    const ask = (by: string) =>
      probe(`${gateway.url}/servers/unknown/mcp`, { headers: [json, ['x-api-key', by]], body: list });
    const own = await ask(keys.alice);
    assert.equal(own.status, 404);
    assert.match(own.body, /There is no server \\"unknown\\"; known: topsecret\./);
    assert.match((await ask(keys.zoe)).body, /known: none\./);
  });

  for (const path of ['/', '/healthz', '/readyz', '/metrics']) {
    it(`${path} takes GET and HEAD only`, async () => {
      const response = await probe(gateway.url + path, { method: 'POST', body: '' });
      assert.equal(response.status, 405);
      assert.equal(response.header('allow'), 'GET');
    });
  }

  it('of a mount leads there', async () => {
    for (const path of ['/admin', '/admin/x?y'])
      assert.equal((await probe(gateway.url + path)).body, 'the admin API');
  });
});

describe('a bug behind the door', () => {
  it('is answered 500 without its text, and said in the log', async () => {
    const response = await probe(`${gateway.url}/broken/x`);
    assert.equal(response.status, 500);
    assert.ok(!response.body.includes('secret'));
    assert.match(response.body, /its log says more/);
    assert.ok(
      gateway.telemetry.lines.some(
        ({ level, message }) => level === 'error' && message === 'a request failed inside',
      ),
    );
  });

  it('after the answer began breaks the connection, so that nobody takes half an answer for a whole one', async () => {
    const response = await probe(`${gateway.url}/broken/late`).catch(() => undefined);
    assert.ok(response === undefined || !response.whole);
  });
});

describe('another tenant', () => {
  it('sees none of the servers, and calls none', async () => {
    for (const era of ['legacy', 'modern'] as const) {
      const zoe = await new Client(era, `${gateway.url}/mcp`, keys.zoe).open();
      assert.deepEqual((await zoe.call('tools/list')).result['tools'], []);
      const { error } = await zoe.call('tools/call', { name: 'mcp.topsecret.echo', arguments: {} });
      assert.equal(error?.code, -32602);
      assert.ok(!JSON.stringify(zoe.face).includes('topsecret'));
    }
  });
});

describe('metrics', () => {
  it('name paths only where they are of this gateway', async () => {
    await probe(gateway.url, { path: '/some/secret/path' });
    const labels = [...gateway.telemetry.counts.keys()].filter((name) =>
      name.startsWith('mcpgw_http_requests_total'),
    );
    assert.ok(labels.some((name) => name.includes('"path":"other"')));
    assert.ok(labels.some((name) => name.includes('"path":"/servers/{name}/mcp"')));
    assert.ok(!labels.join().includes('secret'));
  });
});
