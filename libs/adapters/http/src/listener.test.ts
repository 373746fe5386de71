/** The HTTP listener: its port's contract, and what is special about this one. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { listenerContract } from '@cruvero/ports/contracts/listener';
import { probe, probeRaw } from '@cruvero/testkit';
import { httpListener } from './listener.ts';

listenerContract('httpListener', httpListener);

describe('httpListener', () => {
  it('names the reason when it may not bind', async () => {
    const taken = await httpListener({ host: '127.0.0.1', port: 0 }).listen(() => undefined);
    await assert.rejects(
      httpListener({ host: '127.0.0.1', port: taken.port }).listen(() => undefined),
      {
        message: `Cannot listen on 127.0.0.1:${taken.port}: another program listens there; stop it or choose another port (EADDRINUSE).`,
      },
    );
    await taken.close(0);
    await assert.rejects(
      httpListener({ host: '203.0.113.7', port: 0 }).listen(() => undefined),
      /203\.0\.113\.7:0: this machine has no such address/,
    );
  });

  it('writes IPv6 addresses in brackets', async () => {
    const listening = await httpListener({ host: '::1', port: 0 }).listen(
      (_request, response) => void response.end('six'),
    );
    assert.equal(listening.url, `http://[::1]:${listening.port}`);
    assert.equal((await probe(listening.url)).body, 'six');
    await listening.close(0);
  });

  it('hands over every header line, however many there are under the bound in bytes', async () => {
    let seen = 0;
    await using listening = disposable(
      await httpListener({ host: '127.0.0.1', port: 0, headersBytesMax: 64 * 1024 }).listen(
        (request, response) => {
          seen = request.rawHeaders.length / 2;
          response.end();
        },
      ),
    );
    const many = Array.from({ length: 3_000 }, (_, i) => [`a${i}`, 'b'] as const);
    assert.equal((await probe(listening.url, { headers: many })).status, 200);
    assert.equal(seen, 3_001);
  });

  it('answers bytes that are not HTTP with 400, and a head that never ends with 408', async () => {
    await using listening = disposable(
      await httpListener({ host: '127.0.0.1', port: 0, headersTimeoutMs: 100 }).listen(
        (_request, response) => void response.end(),
      ),
    );
    assert.equal((await probeRaw(listening.url, 'HELLO\r\n\r\n')).status, 400);
    assert.equal((await probeRaw(listening.url, 'GET / HTTP/1.1\r\nhost: a\r\nx-slow: ')).status, 408);
  });

  it('refuses a request without Host or with two framings', async () => {
    await using listening = disposable(
      await httpListener({ host: '127.0.0.1', port: 0 }).listen((_request, response) => void response.end()),
    );
    assert.equal((await probe(listening.url, { host: null })).status, 400);
    const smuggled = await probe(listening.url, {
      method: 'POST',
      headers: [
        ['content-length', '4'],
        ['transfer-encoding', 'chunked'],
      ],
      body: '0\r\n\r\n',
    });
    assert.equal(smuggled.status, 400);
  });
});

function disposable<T extends { close(graceMs: number): Promise<void> }>(listening: T): T & AsyncDisposable {
  return Object.assign(listening, { [Symbol.asyncDispose]: () => listening.close(0) });
}
