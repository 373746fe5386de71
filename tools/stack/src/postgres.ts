/** A real PostgreSQL server. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { closeFolder, openFolder, quickTemporaryRoot } from './folder.ts';
import type { WorkFolder } from './folder.ts';
import { freePort } from './ports.ts';
import { postgresAccount, postgresEnv, underAccount } from './postgres-account.ts';
import { copyData, defaultDatabase, openData, superuser } from './postgres-data.ts';
import type { DataFolder } from './postgres-data.ts';
import { serverProgram, startServer } from './server.ts';
import type { Server, ServerOptions } from './server.ts';

export interface PostgresOptions extends ServerOptions {
  /** Made with the folder; `cruvero` when left out. */
  readonly database?: string | undefined;
}

/**
 * In a given folder everything is as in production (fsync on, a password). In a temporary one fsync is off and nobody on
 * 127.0.0.1 needs a password; a commit still survives `kill('SIGKILL')`, only not a power cut.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Server> {
  const postgres = serverProgram('postgres');
  const database = options.database ?? defaultDatabase;
  const account = await postgresAccount();
  const folder = await openFolder('postgres', options.folder, quickTemporaryRoot());
  const port = options.port ?? (await freePort());
  const logFile = options.logFile ?? join(folder.path, 'postgres.log');
  let data: DataFolder;
  try {
    data = await (folder.temporary ? copyData : openData)(account, postgres, folder.path, database);
  } catch (error) {
    await closeFolder(folder);
    throw error;
  }
  const user = data.password === undefined ? superuser : `${superuser}:${data.password}`;
  return await startServer({
    url: `postgres://${user}@127.0.0.1:${port}/${database}`,
    port,
    folder,
    logFile,
    program: {
      name: 'PostgreSQL',
      launch: {
        ...underAccount(account, postgres, settings(data, folder, port)),
        cwd: '/',
        env: postgresEnv(),
        logFile,
      },
      isReady: (running) => saysReady(data.path, running.pid),
      readyWithinMs: 60_000,
      // Fast shutdown with a checkpoint where the data stay; immediate where they do not.
      stopSignal: folder.temporary ? 'SIGQUIT' : 'SIGINT',
      stopWithinMs: 15_000,
      tree: true,
      // The processes of a server that was killed a moment ago take that moment to notice.
      retryWhen: /pre-existing shared memory block|lock file "postmaster\.pid" already exists/,
    },
  });
}

function settings(data: DataFolder, folder: WorkFolder, port: number): string[] {
  const set = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'shared_buffers=32MB',
    // As files of the folder, so that a killed server leaves none of it in the system.
    'dynamic_shared_memory_type=mmap',
    ...(folder.temporary ? ['fsync=off', 'full_page_writes=off'] : []),
  ];
  return ['-D', data.path, '-p', String(port), ...set.flatMap((each) => ['-c', each])];
}

/** The eighth line of postmaster.pid is the server's own word on its state. */
async function saysReady(data: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
  return lines[0] === String(pid) && lines[7]?.trim() === 'ready';
}
