/** Clients that ask for a large event stream and then never read a byte of it. */

import { Socket } from 'node:net';
import type { Target } from './orders.ts';

export class SilentReaders {
  readonly #sockets = new Set<Socket>();

  /** Resolves when every request is written; the kernel's buffers fill after that. */
  async hold(target: Target, server: number, pieces: readonly number[]): Promise<void> {
    const groupMax = 50;
    for (let from = 0; from < pieces.length; from += groupMax) {
      const group = pieces.slice(from, from + groupMax);
      await Promise.all(group.map((each, index) => this.#ask(target, server, each, from + index)));
    }
  }

  release(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #ask(target: Target, server: number, pieces: number, id: number): Promise<void> {
    const { hostname, port } = new URL(target.url);
    const socket = new Socket();
    // Before it connects, because a socket reads a first piece by itself otherwise.
    socket.pause();
    this.#sockets.add(socket);
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(Number(port), hostname, () => {
        socket.off('error', reject).on('error', () => undefined);
        socket.write(requestText(target, server, pieces, id), () => resolve());
      });
    });
  }
}

function requestText(target: Target, server: number, pieces: number, id: number): string {
  const name = `${target.prefixes[server % target.prefixes.length] ?? ''}flood`;
  const body = JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: {
      name,
      arguments: { message: 'hello there', n: id, pieces },
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': {},
        progressToken: `flood-${id}`,
      },
    },
  });
  const headers = {
    host: new URL(target.url).host,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': name,
    ...target.headers,
  };
  const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}\r\n`);
  return `POST ${target.paths.modern} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}
