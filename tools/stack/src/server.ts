/** What all real servers have in common once they are started. */

import { closeFolder } from './folder.ts';
import type { WorkFolder } from './folder.ts';
import { findServers } from './find-servers.mjs';
import { canListen } from './ports.ts';
import type { Exit } from './process.ts';
import { Program } from './program.ts';
import type { ProgramSpec } from './program.ts';
import { keepFolder, releaseFolder } from './reaper-link.ts';

export interface ServerOptions {
  /** Keeps the state here and leaves it there; a temporary folder, removed by `stop`, when left out. */
  readonly folder?: string | undefined;
  /** A free one when left out. */
  readonly port?: number | undefined;
  /** `<folder>/<program>.log` when left out. */
  readonly logFile?: string | undefined;
}

export interface Server extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  /** On 127.0.0.1. */
  readonly port: number;
  /** Of the latest run. */
  readonly pid: number;
  readonly alive: boolean;
  readonly folder: string;
  readonly logFile: string;
  /** Sends a signal (`SIGKILL` when left out); waits for the end when the signal is one that ends a process. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Comes back on the same port and folder, whether it runs or was killed. */
  restart(): Promise<void>;
  /** Ends it for good and removes a temporary folder. May be called twice. */
  stop(): Promise<void>;
  /** Called when it ends without any of the three above. */
  onDeath(listener: (exit: Exit) => void): void;
}

export interface ServerPlan {
  readonly url: string;
  readonly port: number;
  readonly folder: WorkFolder;
  readonly logFile: string;
  readonly program: ProgramSpec;
}

/** Starts the planned program; when that fails, nothing of it stays behind. */
export async function startServer({
  url,
  port,
  folder,
  logFile,
  program: spec,
}: ServerPlan): Promise<Server> {
  if (!(await canListen(port))) {
    await closeFolder(folder);
    throw new Error(`${spec.name} cannot listen on 127.0.0.1:${port}: the port is taken`);
  }
  const program = new Program(spec);
  const stop = async (): Promise<void> => {
    await program.stop();
    await closeFolder(folder);
    releaseFolder(folder.path);
  };
  if (folder.temporary) keepFolder(folder.path);
  try {
    await program.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name: program.name,
    url,
    port,
    folder: folder.path,
    logFile,
    get pid() {
      return program.pid;
    },
    get alive() {
      return program.alive;
    },
    kill: (signal) => program.kill(signal),
    restart: () => program.restart(),
    stop,
    onDeath: (listener) => program.onDeath(listener),
    [Symbol.asyncDispose]: stop,
  };
}

/** Path of a server's program. @throws with the command that installs it. */
export function serverProgram(name: 'nats' | 'redis' | 'postgres'): string {
  const found = findServers();
  const path = found[name];
  if (path !== undefined) return path;
  const missing = found.missing.find((each) => each.name === name);
  throw new Error(
    `${missing?.program ?? name} is not installed. On Debian or Ubuntu, as root: ` +
      `apt-get install -y --no-install-recommends ${missing?.aptPackage ?? name}`,
  );
}
