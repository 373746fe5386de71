/** What every child process of the measurement does: says where it listens, and ends when its parent is gone. */

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A parent that was killed can stop nobody; its end of the channel closes whatever way it went. */
export function endWithParent(): void {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // Needed by nobody else, so it must not keep the process alive.
  process.channel?.unref();
}

/** Listens on a free port and prints `ready <url>`. */
export function listenAndSay(server: Server): void {
  endWithParent();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
    process.stdout.write(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}\n`);
  });
}
