/** One service of the product as a process of its own. */

import { join } from 'node:path';

import type { Exit, Running } from './process.ts';
import { Program } from './program.ts';
import { accepts } from './talk.ts';

/** In starting order. */
export const serviceNames = [
  'registry',
  'credential-broker',
  'health-monitor',
  'stdio-bridge',
  'code-exec',
  'gateway',
] as const;
export type ServiceName = (typeof serviceNames)[number];

export interface ServicePlan {
  readonly name: ServiceName;
  /** The file that Node runs. */
  readonly entry: string;
  readonly port: number;
  /** Where it runs: the checkout. */
  readonly cwd: string;
  /** The whole environment. */
  readonly env: NodeJS.ProcessEnv;
  /** Log files stand here. */
  readonly logFolder: string;
  readonly readyWithinMs: number;
}

export interface Service {
  readonly name: ServiceName;
  readonly url: string;
  readonly port: number;
  /** Of the latest run. */
  readonly pid: number;
  readonly alive: boolean;
  /** Its standard error and its log records; never what it prints for people, which may show a key once. */
  readonly logFile: string;
  /** Everything it printed since the stack began, over all its runs (long outputs lose their middle). */
  stdout(): string;
  /** Calls back with each line of standard output to come. */
  onStdoutLine(listener: (line: string) => void): void;
  /** Sends a signal (`SIGKILL` when left out) to this process alone; waits for its end when the signal ends processes. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port, whether it runs or was killed; done when it accepts connections. */
  restart(): Promise<void>;
  /** The URL of its line `ready <url>` in the latest run. @throws when the line does not come in time. */
  ready(withinMs?: number): Promise<string>;
  /** Called when it ends without anybody asking for that here. */
  onDeath(listener: (exit: Exit) => void): void;
}

/** What only the stack itself does with a service. */
export interface OwnedService extends Service {
  start(): Promise<void>;
  stop(): Promise<void>;
}

const runsMax = 20;
const readyMsMax = 60_000;

export function serviceOf(plan: ServicePlan): OwnedService {
  const { name, port } = plan;
  const logFile = join(plan.logFolder, `${name}.log`);
  const runs: Running[] = [];
  const listeners = new Set<(line: string) => void>();
  let readiness = new Readiness();
  const program = new Program({
    name,
    launch: {
      command: process.execPath,
      args: [plan.entry],
      cwd: plan.cwd,
      env: plan.env,
      logFile,
      logStdout: 'json',
    },
    isReady: async () => await accepts(port),
    readyWithinMs: plan.readyWithinMs,
    stopSignal: 'SIGTERM',
    stopWithinMs: 20_000,
    onRun: (running) => {
      // The first run stays: a registry shows its first keys there.
      if (runs.length >= runsMax) runs.splice(1, 1);
      runs.push(running);
      readiness = new Readiness();
      const mine = readiness;
      running.output.onStdoutLine((line) => {
        mine.hear(line);
        for (const listener of listeners) listener(line);
      });
    },
  });
  return {
    name,
    port,
    logFile,
    url: `http://127.0.0.1:${port}`,
    get pid() {
      return program.pid;
    },
    get alive() {
      return program.alive;
    },
    stdout: () => runs.map(({ output }) => output.stdout()).join(''),
    onStdoutLine: (listener) => void listeners.add(listener),
    kill: (signal) => program.kill(signal),
    restart: () => program.restart(),
    start: () => program.start(),
    stop: () => program.stop(),
    onDeath: (listener) => program.onDeath(listener),
    ready: async (withinMs = readyMsMax) => {
      const url = await readiness.within(withinMs);
      if (url !== undefined) return url;
      const state = program.alive ? `printed no line "ready …" within ${withinMs} ms` : 'is not running';
      throw new Error(`${name} ${state}; its log ends with:\n${program.logTail()}`);
    },
  };
}

/** Waits for the line `ready <url>` of one run. */
class Readiness {
  readonly #heard = Promise.withResolvers<string>();

  hear(line: string): void {
    const url = /^ready (\S+)/.exec(line)?.[1];
    if (url !== undefined) this.#heard.resolve(url);
  }

  async within(ms: number): Promise<string | undefined> {
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), ms);
    try {
      return await Promise.race([this.#heard.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
