/** The raw HTTP client for tests. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { serveHttp } from './fixtures/http-host.ts';
import { probe, probeRaw, probeSse } from './http-probe.ts';

const mirror = () =>
  serveHttp((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece: string) => (body += piece));
    request.on('end', () => {
      response.setHeader('Set-Cookie', ['a=1', 'b=2']);
      response.end(
        JSON.stringify({ method: request.method, url: request.url, raw: request.rawHeaders, body }),
      );
    });
  });

interface Mirrored {
  readonly method: string;
  readonly url: string;
  readonly raw: readonly string[];
  readonly body: string;
}

describe('probe', () => {
  it('sends exactly the headers it was given, repeated and in order, with any Host', async () => {
    await using host = await mirror();
    const headers = [
      ['X-A', '1'],
      ['x-a', '2'],
      ['Accept', 'text/html'],
    ] as const;
    const answer = await probe(`${host.origin}/path?q=1`, { host: 'evil.test', headers, body: 'grün' });
    const seen = answer.json() as Mirrored;
    assert.deepEqual([seen.method, seen.url, seen.body], ['POST', '/path?q=1', 'grün']);
    assert.deepEqual(seen.raw, [
      'Host',
      'evil.test',
      'X-A',
      '1',
      'x-a',
      '2',
      'Accept',
      'text/html',
      'Content-Length',
      '5',
    ]);
  });

  it('shows repeated headers of the answer, and the first one by name in any case', async () => {
    await using host = await mirror();
    const answer = await probe(host.origin);
    assert.deepEqual(
      answer.headers.filter(([name]) => name === 'Set-Cookie').map(([, value]) => value),
      ['a=1', 'b=2'],
    );
    assert.equal(answer.header('SET-COOKIE'), 'a=1');
    assert.equal(answer.status, 200);
    assert.equal(answer.whole, true);
  });

  it('sends bytes that are not HTTP', async () => {
    await using host = await mirror();
    assert.equal((await probeRaw(host.origin, Buffer.from([0, 1, 2, 13, 10, 13, 10]))).status, 400);
  });

  it('reads chunked bodies, and says when an answer is not whole', async () => {
    await using host = await serveHttp((request, response) => {
      response.write('one,');
      setImmediate(() => {
        if (request.url === '/torn') response.write('torn', () => request.socket.destroy());
        else response.end('two');
      });
    });
    const whole = await probe(`${host.origin}/`);
    assert.deepEqual([whole.body, whole.whole], ['one,two', true]);
    const torn = await probe(`${host.origin}/torn`);
    assert.deepEqual([torn.body, torn.whole], ['one,torn', false]);
  });

  it('rejects where no answer comes', async () => {
    await using host = await serveHttp((request) => void request.socket.destroy());
    await assert.rejects(probe(host.origin));
    await using silent = await serveHttp(() => undefined);
    await assert.rejects(probe(silent.origin, { timeoutMs: 50 }), /no answer within 50 ms/);
  });
});

describe('probeSse', () => {
  it('hands out events one by one, then undefined at the end', async () => {
    await using host = await serveHttp((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const bytes = Buffer.from(': hi\n\nid: 1\nevent: odd\ndata: ü\n\ndata: two\n\n');
      for (const byte of bytes) response.write(Buffer.from([byte]));
      response.end();
    });
    await using stream = await probeSse(host.origin);
    assert.deepEqual([stream.status, stream.header('content-type')], [200, 'text/event-stream']);
    assert.deepEqual(await stream.next(), { event: 'odd', data: 'ü', id: '1' });
    assert.equal((await stream.next())?.data, 'two');
    assert.equal(await stream.next(), undefined);
    assert.match(stream.received, /^: hi/);
  });

  it('rejects where nothing comes in time, and goes on afterwards', async () => {
    let write = (): void => undefined;
    await using host = await serveHttp((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      write = () => void response.write('data: late\n\n');
    });
    await using stream = await probeSse(host.origin);
    await assert.rejects(stream.next(30), /nothing came within 30 ms/);
    write();
    assert.equal((await stream.next())?.data, 'late');
  });
});
