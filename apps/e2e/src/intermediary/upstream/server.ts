/** The suite's own servers, all behind one port, with everything that they hear. */

import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { once } from 'node:events';
import { serverKinds, type ServerKind } from '../target.ts';
import { Conversation } from './conversation.ts';
import { Hearing } from './hearing.ts';
import { legacyLeg, modernLeg, sseLeg, type Leg } from './legs.ts';
import { World } from './world.ts';

export interface Upstream extends AsyncDisposable {
  readonly port: number;
  readonly origin: string;
  readonly hearing: Hearing;
  world(kind: ServerKind): World;
  /** What a gateway is to be configured with. */
  entries(): Readonly<Record<ServerKind, UpstreamEntry>>;
}

export type UpstreamEntry =
  { readonly url: string } | { readonly command: string; readonly args: readonly string[] };

/** Name of the HTTP upgrade by which the program behind a pipe hands it over. */
export const pipeProtocol = 'suite-pipe';

const linkProgram = new URL('./pipe-link.ts', import.meta.url).pathname;

/** `port` 0 takes any free one. */
export async function startUpstream(port = 0): Promise<Upstream> {
  const hearing = new Hearing();
  const worlds = Object.fromEntries(serverKinds.map((kind) => [kind, new World(kind, hearing)])) as Record<
    ServerKind,
    World
  >;
  const legs: Readonly<Record<string, Leg>> = {
    '/modern/mcp': modernLeg(worlds.modern),
    '/legacy/mcp': legacyLeg(worlds.legacy),
    '/sse': sseLeg(worlds.sse, '/sse/messages'),
  };
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').replace(/\?.*/, '');
    const leg = legs[path] ?? (path === '/sse/messages' ? legs['/sse'] : undefined);
    if (!leg) return void response.writeHead(404).end();
    leg(request, response).catch(() => response.destroy());
  });
  const pipes = new Set<Duplex>();
  server.on('upgrade', (request, socket) => {
    pipes.add(socket);
    socket.once('close', () => pipes.delete(socket));
    const world = worlds[(request.url ?? '/').slice(1) as ServerKind];
    if (world) pipe(world, socket);
    else socket.destroy();
  });
  // A gateway's pool keeps connections; what it sends on one must not find it closed.
  server.keepAliveTimeout = 120_000;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const origin = `http://127.0.0.1:${address.port}`;
  const command = (kind: ServerKind): UpstreamEntry => ({
    command: process.execPath,
    args: [linkProgram, `${origin}/${kind}`],
  });
  return {
    port: address.port,
    origin,
    hearing,
    world: (kind) => worlds[kind],
    entries: () => ({
      modern: { url: `${origin}/modern/mcp` },
      legacy: { url: `${origin}/legacy/mcp` },
      sse: { type: 'sse', url: `${origin}/sse` },
      'stdio-modern': command('stdio-modern'),
      'stdio-legacy': command('stdio-legacy'),
    }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      for (const socket of pipes) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A stdio server whose process only passes lines on: one conversation for the life of the pipe. */
function pipe(world: World, socket: Duplex): void {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${pipeProtocol}\r\n\r\n`);
  const conversation = new Conversation(world);
  const send = (text: string): void => void socket.write(`${text}\n`);
  conversation.outlet = send;
  // Only a line feed ends a message; readline would end it at U+2028 too.
  let rest = '';
  const decoder = new TextDecoder();
  socket.on('data', (piece: Buffer) => {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') conversation.take(line, {}, { send, finish: send });
  });
  socket.on('error', () => undefined);
  socket.once('close', () => conversation.close());
}
