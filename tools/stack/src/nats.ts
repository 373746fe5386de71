/** A real nats-server with JetStream. */

import { join } from 'node:path';

import { openFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { inheritedEnv } from './process.ts';
import { serverProgram, startServer } from './server.ts';
import type { Server, ServerOptions } from './server.ts';

/** JetStream writes to the folder; what is acknowledged is there again after `kill('SIGKILL')` and `restart()`. */
export async function startNats(options: ServerOptions = {}): Promise<Server> {
  const command = serverProgram('nats');
  const folder = await openFolder('nats', options.folder);
  const port = options.port ?? (await freePort());
  const logFile = options.logFile ?? join(folder.path, 'nats-server.log');
  return await startServer({
    url: `nats://127.0.0.1:${port}`,
    port,
    folder,
    logFile,
    program: {
      name: 'nats-server',
      launch: {
        command,
        args: ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder.path],
        cwd: folder.path,
        env: inheritedEnv(),
        logFile,
      },
      // The log is its own word; an answer on the port could be another server's. JetStream is recovered by then.
      isReady: (running) => Promise.resolve(running.output.logTail(50).includes('Server is ready')),
      readyWithinMs: 30_000,
      stopSignal: 'SIGTERM',
      stopWithinMs: 10_000,
    },
  });
}
