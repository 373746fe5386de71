/** One output stream of a run: hands on what is within its bound, counts the rest, and says when it is too much. */

import { Socket } from 'node:net';
import type { StreamCount } from '@cruvero/ports';

export interface Drained {
  readonly count: () => StreamCount;
  /** When nobody can write any more and all was read. */
  readonly ended: Promise<void>;
  /** Gives up what has not come yet. */
  close(): void;
}

/** What a program may write beyond its bound before that alone ends it. */
const surplusBytesMax = 64 << 20;

export interface DrainEvents {
  onPiece(bytes: Uint8Array): void;
  /** Once. */
  onFlood(): void;
}

export function drain(fd: number, bytesMax: number, events: DrainEvents): Drained {
  const socket = new Socket({ fd, readable: true, writable: false });
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let bytes = 0;
  let kept = 0;
  let flooded = false;
  socket.on('data', (piece: Buffer) => {
    bytes += piece.length;
    const fits = Math.min(piece.length, bytesMax - kept);
    if (fits > 0) {
      kept += fits;
      events.onPiece(piece.subarray(0, fits));
    }
    if (!flooded && bytes > bytesMax + surplusBytesMax) {
      flooded = true;
      events.onFlood();
    }
  });
  socket.on('error', () => resolve());
  socket.on('close', () => resolve());
  return {
    count: () => ({ bytes, droppedBytes: bytes - kept }),
    ended,
    close: () => socket.destroy(),
  };
}
