/** A plain TCP round robin: each connection goes to the next address, to another one where nobody takes it. */

import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';

export interface RoundRobin extends AsyncDisposable {
  /** Without a path. */
  readonly url: string;
  /** Connections that each address took so far, in the order of the addresses. */
  readonly taken: readonly number[];
}

export async function startRoundRobin(urls: readonly string[]): Promise<RoundRobin> {
  const taken = urls.map(() => 0);
  const open = new Set<Socket>();
  let next = 0;
  const hold = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => open.delete(socket));
  };
  const join = (client: Socket, at: number, tries: number): void => {
    const { hostname, port } = new URL(urls[at] ?? '');
    const server = connect(Number(port), hostname);
    hold(server);
    // Other connections take their turns meanwhile, so the next one for this one is counted from its own.
    const refused = (): void =>
      void (tries > 1 && !client.destroyed
        ? join(client, (at + 1) % urls.length, tries - 1)
        : client.destroy());
    server.once('error', refused);
    server.once('connect', () => {
      server.off('error', refused);
      taken[at] = (taken[at] ?? 0) + 1;
      client.pipe(server).pipe(client);
      // Whoever is cut off takes the other side along.
      client.once('close', () => server.destroy());
      server.once('close', () => client.destroySoon());
    });
  };
  const listener = createServer((client) => {
    hold(client);
    join(client, next, urls.length);
    next = (next + 1) % urls.length;
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    taken,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
}
