/** Hands out TCP ports of 127.0.0.1 that nobody else on this machine takes meanwhile. */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:net';

/** Below the range from which kernels take the local ports of outgoing connections (32768 and up). */
const lowest = 20_000;
const highest = 32_000;
const attemptsMax = 500;

/** Each port handed out stays claimed until this process ends, so that a restarted server finds it again. */
const claims = new Map<number, Socket>();

/**
 * A free TCP port. One process never gets the same port twice; neither do two processes that ask at the same time.
 *
 * The claim is a UDP socket on the same number: UDP and TCP ports do not meet, the kernel lets one process have it, and
 * gives it back whatever way that process ends.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const port = randomInt(lowest, highest);
    if (claims.has(port)) continue;
    const claim = await claimPort(port);
    if (!claim) continue;
    if (await canListen(port)) {
      claims.set(port, claim);
      return port;
    }
    claim.close();
  }
  throw new Error(`no free TCP port between ${lowest} and ${highest} after ${attemptsMax} attempts`);
}

/** True when a server could listen on this port of 127.0.0.1 now. */
export async function canListen(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

async function claimPort(port: number): Promise<Socket | undefined> {
  return await new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(undefined);
    });
    socket.bind({ address: '127.0.0.1', port, exclusive: true }, () => {
      socket.unref();
      resolve(socket);
    });
  });
}
