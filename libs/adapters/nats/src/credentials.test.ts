/** Credentials reach the server and nothing else; a server that refuses them is tried again. */

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, it } from 'node:test';

import type { NatsOptions } from './options.ts';
import { eventually, openBus } from './nats-rig.fixture.ts';

/** Speaks just enough of the protocol to hear who connects, and refuses everybody. */
async function refusingServer() {
  const heard: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write(
      'INFO {"server_id":"x","version":"2.9.10","auth_required":true,"max_payload":1048576,"headers":true}\r\n',
    );
    socket.on('data', (data) => {
      heard.push(data.toString());
      if (data.includes('CONNECT')) socket.end("-ERR 'Authorization Violation'\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port, heard, close };
}

async function linesAfterRefusals(url: (port: number) => string, more: Partial<NatsOptions>) {
  const server = await refusingServer();
  const { bus, telemetry } = await openBus(url(server.port), more);
  const attempts = () => server.heard.filter((text) => text.includes('CONNECT')).length;
  await eventually('it tries again', () => attempts() >= 3);
  assert.equal(bus.state(), 'disconnected');
  await bus[Symbol.asyncDispose]();
  server.close();
  return { heard: server.heard.join(''), lines: JSON.stringify(telemetry.lines) };
}

describe('credentials for NATS', () => {
  it('from the URL are sent, and are in no log line', async () => {
    const { heard, lines } = await linesAfterRefusals((port) => `nats://ann:pa55w0rd@127.0.0.1:${port}`, {});
    assert.match(heard, /"user":"ann"/);
    assert.match(heard, /"pass":"pa55w0rd"/);
    assert.match(lines, /cannot be reached/);
    assert.doesNotMatch(lines, /pa55w0rd/);
  });

  it('from options win over the URL, and are in no log line', async () => {
    const password = { reveal: () => 'opt10nal' };
    const { heard, lines } = await linesAfterRefusals((port) => `nats://x:y@127.0.0.1:${port}`, {
      user: 'bob',
      password,
    });
    assert.match(heard, /"user":"bob"/);
    assert.match(heard, /"pass":"opt10nal"/);
    assert.doesNotMatch(lines, /opt10nal/);
  });

  it('may be a token', async () => {
    const { heard, lines } = await linesAfterRefusals((port) => `127.0.0.1:${port}`, {
      token: { reveal: () => 't0ken99' },
    });
    assert.match(heard, /"auth_token":"t0ken99"/);
    assert.doesNotMatch(lines, /t0ken99/);
  });

  it('are not in the error for a URL that cannot be read', async () => {
    await assert.rejects(openBus('http://ann:pa55w0rd@host'), (error: Error) => {
      return error instanceof TypeError && !error.message.includes('pa55w0rd');
    });
  });
});
