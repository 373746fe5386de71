/** A real redis-server. */

import { join } from 'node:path';

import { openFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { inheritedEnv } from './process.ts';
import { serverProgram, startServer } from './server.ts';
import type { Server, ServerOptions } from './server.ts';
import { ask } from './talk.ts';

/** In a given folder every write is kept (append-only file); in a temporary one a restarted Redis is empty. */
export async function startRedis(options: ServerOptions = {}): Promise<Server> {
  const command = serverProgram('redis');
  const folder = await openFolder('redis', options.folder);
  const port = options.port ?? (await freePort());
  const logFile = options.logFile ?? join(folder.path, 'redis-server.log');
  const keep = folder.temporary ? 'no' : 'yes';
  return await startServer({
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    logFile,
    program: {
      name: 'redis-server',
      launch: {
        command,
        args: [
          ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder.path],
          ...['--save', '', '--appendonly', keep, '--daemonize', 'no'],
        ],
        cwd: folder.path,
        env: inheritedEnv(),
        logFile,
      },
      // With its process id, because another server on the port would answer too; and INFO is answered while
      // the data is still being loaded, PING is not.
      isReady: async ({ pid }) =>
        (await ask(port, 'INFO server\r\n'))?.includes(`process_id:${pid}\r\n`) === true &&
        (await ask(port, 'PING\r\n'))?.startsWith('+PONG') === true,
      readyWithinMs: 30_000,
      stopSignal: 'SIGTERM',
      stopWithinMs: 10_000,
    },
  });
}
