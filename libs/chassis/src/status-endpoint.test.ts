/** The three status paths over real HTTP. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, test } from 'node:test';

import { SimClock } from '@cruvero/testkit';

import { Health } from './health.ts';
import { statusEndpoint } from './status-endpoint.ts';

async function serve(metricsText: () => Promise<string> = async () => 'up 1\n') {
  const health = new Health(new SimClock());
  const handler = statusEndpoint({
    service: 'registry',
    version: '1.2.3',
    health,
    metrics: { text: metricsText },
    allowedHosts: ['registry.internal'],
  });
  const server = createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    health,
    port,
    ask: (path: string, options: Asking = {}) => ask(port, path, options),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Asking {
  readonly method?: string;
  readonly host?: string;
  readonly origin?: string;
  readonly body?: string;
}

async function ask(port: number, path: string, options: Asking) {
  const { host, origin } = options;
  const headers = { ...(host === undefined ? {} : { host }), ...(origin === undefined ? {} : { origin }) };
  const asked = httpRequest({ host: '127.0.0.1', port, path, method: options.method ?? 'GET', headers });
  asked.end(options.body);
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
  return {
    status: response.statusCode,
    headers: response.headers,
    text,
    json: (): unknown => JSON.parse(text),
  };
}

describe('the status paths', () => {
  test('healthz says who is alive, in which version, and is never cached', async () => {
    await using at = await serve();
    const reply = await at.ask('/healthz');
    assert.equal(reply.status, 200);
    assert.deepEqual(reply.json(), { status: 'alive', service: 'registry', version: '1.2.3' });
    assert.equal(reply.headers['content-type'], 'application/json');
    assert.equal(reply.headers['cache-control'], 'no-store');
    assert.equal(reply.headers['x-content-type-options'], 'nosniff');
  });

  test('readyz is 503 with reasons until all checks pass, and while draining', async () => {
    await using at = await serve();
    let reason: string | undefined = 'no snapshot yet';
    at.health.add('snapshot', () => reason);
    const before = await at.ask('/readyz');
    assert.equal(before.status, 503);
    assert.deepEqual(before.json(), {
      status: 'not_ready',
      checks: [{ name: 'snapshot', ready: false, reason: 'no snapshot yet' }],
    });
    reason = undefined;
    const then = await at.ask('/readyz');
    assert.equal(then.status, 200);
    assert.partialDeepStrictEqual(then.json(), { status: 'ready' });
    at.health.drain();
    assert.equal((await at.ask('/readyz')).status, 503);
    assert.equal((await at.ask('/healthz')).status, 200);
  });

  test('metrics are Prometheus text; a query does not matter', async () => {
    await using at = await serve();
    const reply = await at.ask('/metrics?x=1');
    assert.equal(reply.status, 200);
    assert.equal(reply.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    assert.equal(reply.text, 'up 1\n');
  });

  test('HEAD has the head of GET and no body', async () => {
    await using at = await serve();
    const reply = await at.ask('/healthz', { method: 'HEAD' });
    assert.equal(reply.status, 200);
    assert.ok(Number(reply.headers['content-length']) > 0);
    assert.equal(reply.text, '');
  });
});

describe('all else', () => {
  test('is a JSON 404 that cuts long paths', async () => {
    await using at = await serve();
    for (const path of ['/', '/healthz/', '/metricsx', '//healthz', `/${'a'.repeat(2_000)}`]) {
      const reply = await at.ask(path);
      assert.equal(reply.status, 404, path);
      assert.partialDeepStrictEqual(reply.json(), { error: 'no_such_path' });
      assert.ok(reply.text.length < 400);
    }
  });

  test('other methods are 405 and say what is allowed', async () => {
    await using at = await serve();
    const reply = await at.ask('/healthz', { method: 'POST', body: 'x'.repeat(100_000) });
    assert.equal(reply.status, 405);
    assert.equal(reply.headers.allow, 'GET, HEAD');
  });

  test('foreign hosts are 403 on every path; loopback, own address and listed names are not', async () => {
    await using at = await serve();
    for (const host of [
      'evil.com',
      `evil.com:${at.port}`,
      'a@localhost',
      'evil.com#localhost',
      'localhost, evil.com',
    ]) {
      for (const path of ['/healthz', '/readyz', '/metrics', '/nothing']) {
        const reply = await at.ask(path, { host });
        assert.equal(reply.status, 403, host);
        assert.partialDeepStrictEqual(reply.json(), { error: 'wrong_host' });
      }
    }
    for (const host of [
      'localhost',
      `127.0.0.1:${at.port}`,
      '[::1]:1',
      'registry.internal',
      'REGISTRY.internal:9090',
    ]) {
      assert.equal((await at.ask('/healthz', { host })).status, 200, host);
    }
  });

  test('pages of foreign origins are 403 on every path; those of loopback are not', async () => {
    await using at = await serve();
    for (const path of ['/healthz', '/readyz', '/metrics', '/nothing']) {
      for (const origin of ['https://evil.com', 'null', 'http://registry.internal']) {
        const reply = await at.ask(path, { origin });
        assert.equal(reply.status, 403, origin);
        assert.partialDeepStrictEqual(reply.json(), { error: 'wrong_origin' });
      }
    }
    assert.equal((await at.ask('/healthz', { origin: 'http://localhost:3000' })).status, 200);
  });

  test('two Host headers are refused', async () => {
    await using at = await serve();
    const socket = connect(at.port, '127.0.0.1').setEncoding('utf8');
    socket.end('GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.com\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    assert.match(text, /^HTTP\/1\.1 40[03] /);
  });

  test('metrics that cannot be read are a 500 without details', async () => {
    await using at = await serve(() => Promise.reject(new Error('hunter2')));
    const reply = await at.ask('/metrics');
    assert.equal(reply.status, 500);
    assert.ok(!reply.text.includes('hunter2'));
  });
});
