/** Clients that ask and then read slowly, or not at all: raw sockets whose receive window fills up. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { modernLatest, type JsonObject } from '@cruvero/core';
import type { Layout } from './layout.fixture.ts';
import { inLanes } from './quick-client.fixture.ts';

export interface Reading {
  readonly method: string;
  readonly params: JsonObject;
  /** Bytes taken each time; 0: never anything. */
  readonly bytes: number;
}

export interface SlowReaders extends AsyncDisposable {
  readonly count: number;
  /** Those whose connection the gateway has ended. */
  cut(): number;
}

/** One read of each slow reader; a few at a time, so that they take turns. */
const readEveryMs = 200;
const lanes = 50;

/** Resolves when all have asked. */
export async function startSlowReaders(layout: Layout, readings: readonly Reading[]): Promise<SlowReaders> {
  const sockets: Socket[] = [];
  const slow: (readonly [Socket, number])[] = [];
  let cut = 0;
  await inLanes(readings, lanes, async (reading) => {
    const { hostname, port } = new URL(layout.url);
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.on('error', () => socket.destroy());
    socket.once('close', () => (cut += 1));
    await once(socket, 'connect');
    socket.write(requestOf(layout, reading));
    sockets.push(socket);
    if (reading.bytes > 0) slow.push([socket, reading.bytes]);
  });
  const timer = setInterval(() => {
    for (const [socket, bytes] of slow) socket.read(bytes);
  }, readEveryMs);
  return {
    count: sockets.length,
    cut: () => cut,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      const open = sockets.filter(({ closed }) => !closed);
      for (const socket of open) socket.destroy();
      await Promise.all(open.map((socket) => once(socket, 'close')));
    },
  };
}

function requestOf(layout: Layout, { method, params }: Reading): string {
  const meta = {
    progressToken: 'p',
    'io.modelcontextprotocol/protocolVersion': modernLatest,
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } });
  const { name } = params;
  return [
    'POST /mcp HTTP/1.1',
    `host: ${new URL(layout.url).host}`,
    `authorization: Bearer ${layout.agentKey}`,
    'content-type: application/json',
    'accept: application/json, text/event-stream',
    `mcp-protocol-version: ${modernLatest}`,
    `mcp-method: ${method}`,
    ...(typeof name === 'string' ? [`mcp-name: ${name}`] : []),
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}
