/** Property tests of the whole front without a key: whatever bytes and paths come, there is an answer, and it gives nothing away. */

import assert from 'node:assert/strict';
import { METHODS } from 'node:http';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { probe, probeRaw, startModernServer, type FixtureServer } from '@cruvero/testkit';
import { stage, type Stage } from '../gateway.fixture.ts';

let server: FixtureServer;
let gateway: Stage;
before(async () => {
  server = await startModernServer();
  gateway = await stage({ servers: [{ name: 'secret-name', endpoint: server.url }] });
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
  await server.close();
});

const runs = { numRuns: 150 };
const open: ReadonlySet<string> = new Set(['/', '/healthz', '/readyz', '/metrics']);
const word = fc.constantFrom(
  'mcp',
  'servers',
  'secret-name',
  'api',
  'v1',
  'services',
  'status',
  'health',
  'execute',
  'capabilities',
  'healthz',
  'readyz',
  'metrics',
  '',
  '.',
  '..',
  '%2e%2e',
  '%2f',
  '%00',
  '\\',
  ';',
  '__proto__',
);
const path = fc
  .array(fc.oneof(word, fc.stringMatching(/^[\x21-\x7e]{0,12}$/)), { maxLength: 6 })
  .map((segments) => `/${segments.join('/')}`)
  .filter((text) => !/[?#]/.test(text));

describe('without a key', () => {
  it('no path but the four open ones answers 200, whatever the method', async () => {
    await fc.assert(
      fc.asyncProperty(
        path,
        fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
        fc.json(),
        async (asked, method, body) => {
          const request =
            method === 'GET' || method === 'HEAD'
              ? {}
              : { body, headers: [['content-type', 'application/json'] as const] };
          const close = [['connection', 'close'] as const];
          const response = await probe(gateway.url, {
            path: asked,
            method,
            ...request,
            headers: [...close, ...(request.headers ?? [])],
          });
          const readable = open.has(asked) && (method === 'GET' || method === 'HEAD');
          assert.equal(response.status === 200, readable, `${method} ${asked}: ${response.status}`);
          assert.ok(
            response.status === 200 || (response.status >= 400 && response.status < 500),
            `${method} ${asked}: ${response.status}`,
          );
          assert.ok(asked.includes('secret-name') || !response.body.includes('secret-name'));
          if (response.status !== 200 && method !== 'HEAD')
            assert.match(response.header('content-type') ?? '', /^application\/json/);
        },
      ),
      runs,
    );
  });

  it('every route and every HTTP method is refused, or open on purpose', async () => {
    const routes = [
      '/',
      '/healthz',
      '/readyz',
      '/metrics',
      '/mcp',
      '/servers/secret-name/mcp',
      '/api/v1/mcp',
      '/api/v1/mcp/status',
      '/api/v1/mcp/secret-name/execute',
    ];
    for (const method of METHODS.filter((name) => name !== 'CONNECT')) {
      for (const route of routes) {
        const { status } = await probe(gateway.url, {
          path: route,
          method,
          headers: [['connection', 'close']],
        });
        if (open.has(route))
          assert.equal(status, method === 'GET' || method === 'HEAD' ? 200 : 405, `${method} ${route}`);
        else assert.equal(status, 401, `${method} ${route}`);
      }
    }
  });

  it('no server is asked anything', () => {
    const before = server.catalogue.received.filter(({ method }) => !method.endsWith('/list'));
    assert.deepEqual(before, []);
  });
});

describe('a connection', () => {
  it('of any bytes at all is answered or ended, and the next one is served', async () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'GET / HTTP/1.1',
        'POST /mcp HTTP/1.1',
        'Host: localhost',
        'Content-Length: 5',
        'Transfer-Encoding: chunked',
        '',
      ),
    );
    const text = fc
      .array(line, { maxLength: 6 })
      .map((lines) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`));
    const bytes = fc.oneof(
      text,
      fc.uint8Array({ maxLength: 200 }).map((raw) => Buffer.concat([raw, Buffer.from('\r\n\r\n')])),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (sent) => {
        const outcome = await probeRaw(gateway.url, sent, 40).then(
          ({ status }) => status,
          (error: Error) => error.message,
        );
        // Bytes that may go on to be a request are waited for; the listener's own time ends that.
        if (typeof outcome === 'number') assert.ok(outcome >= 200 && outcome < 600);
        else assert.match(outcome, /ended without an answer|no answer within|ECONNRESET|EPIPE/);
      }),
      { numRuns: 60 },
    );
    assert.equal((await probe(`${gateway.url}/healthz`)).status, 200);
    assert.deepEqual(
      gateway.telemetry.lines.filter(({ level }) => level === 'error'),
      [],
    );
  });
});
