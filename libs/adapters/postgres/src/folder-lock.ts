/**
 * One process a data folder: a local socket that the system takes away with the process, also after kill -9. On Linux
 * its name is in no file system, so that nobody has to clear it away: of several who do, one would clear away the other's.
 */

import { createHash } from 'node:crypto';
import { realpath, stat, unlink } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode } from './sql-runner.ts';

export interface FolderLock {
  release(): Promise<void>;
}

async function socketPathOf(folder: string): Promise<string> {
  if (process.platform === 'linux') {
    // By what it is: containers that share a network may have other folders under the same path.
    const { dev, ino } = await stat(folder, { bigint: true });
    return `\0cruvero-folder-${dev}-${ino}`;
  }
  const digest = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex')
    .slice(0, 32);
  return process.platform === 'win32'
    ? `\\\\.\\pipe\\cruvero-${digest}`
    : join(tmpdir(), `cruvero-${digest}.lock`);
}

function listenOn(path: string): Promise<Server | 'taken'> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => (errorCode(error) === 'EADDRINUSE' ? resolve('taken') : reject(error)));
    server.listen(path, () => {
      server.unref();
      resolve(server);
    });
  });
}

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createConnection(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** The folder must exist. Rejects with a sentence where another process holds it. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = await socketPathOf(folder);
  for (let tried = 0; tried < 3; tried += 1) {
    const server = await listenOn(path);
    if (server !== 'taken') {
      return { release: () => new Promise((resolve) => void server.close(() => resolve())) };
    }
    if (process.platform === 'linux' || (await isAnswered(path))) break;
    // Nobody answers: its process was killed and left the name behind.
    await unlink(path).catch(() => undefined);
  }
  throw new Error(
    `the data folder ${folder} is in use by another process; stop that one or choose another folder`,
  );
}
