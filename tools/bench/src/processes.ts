/** Starts what is measured, each as a process of its own, asks what it costs, and stops it. */

import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Running extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything on standard output up to the line `ready`. */
  readonly said: string;
}

export interface StartOptions {
  readonly args?: readonly string[];
  /** Arguments for Node itself. */
  readonly nodeArgs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** It ran and said why it cannot be measured: `missing`, or `failed` and a reason. */
export class NotStarted extends Error {}

export const root = fileURLToPath(new URL('../../../', import.meta.url));
const readyMsMax = 90_000;
const endMsMax = 20_000;
const tailCharsMax = 8_000;

/** The environment without the product's own settings: a measurement must not depend on the shell that it starts in. */
function plainEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(CRUVERO_|MCP_|NODE_TEST_CONTEXT$)/.test(name)),
  );
}

/** Runs a file of the checkout until its line `ready <url>`. @throws when it ends before, with its last words. */
export function start(
  file: string,
  { args = [], nodeArgs = [], env = {} }: StartOptions = {},
): Promise<Running> {
  const child = spawn(process.execPath, [...nodeArgs, `${root}${file}`, ...args], {
    env: { ...plainEnv(), ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
    cwd: root,
  });
  return new Promise((resolve, reject) => {
    let said = '';
    let complaints = '';
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${file} was not ready within ${readyMsMax} ms:\n${complaints}`));
    }, readyMsMax);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearTimeout(late);
      const how = `${file} ended with ${signal ?? code} before it was ready`;
      const excuse = /^(?:missing|failed .*)$/m.exec(said)?.[0];
      reject(excuse === undefined ? new Error(`${how}:\n${complaints}`) : new NotStarted(excuse));
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      complaints = `${complaints}${chunk.toString()}`.slice(-tailCharsMax);
    });
    child.stdout?.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString()}`.slice(-tailCharsMax);
      const url = /^ready (\S+)$/m.exec(said)?.[1];
      if (url === undefined) return;
      clearTimeout(late);
      child.removeAllListeners('exit');
      resolve({ url, pid: child.pid ?? 0, child, said, [Symbol.asyncDispose]: () => end(child) });
    });
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const late = setTimeout(() => child.kill('SIGKILL'), endMsMax);
    child.once('exit', () => {
      clearTimeout(late);
      resolve();
    });
    child.kill('SIGTERM');
  });
}

/** Sends a message and waits for the one that comes back. @throws when the process ends or says nothing in time. */
export function ask<Answer>({ child }: Running, message: object, withinMs = 120_000): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      clearTimeout(late);
      child.off('message', heard).off('exit', gone);
    };
    const heard = (answer: unknown): void => {
      over();
      resolve(answer as Answer);
    };
    const gone = (): void => {
      over();
      reject(new Error('a process of the measurement ended'));
    };
    const late = setTimeout(() => {
      over();
      reject(new Error(`no answer within ${withinMs} ms`));
    }, withinMs);
    if (!child.connected) return gone();
    child.once('message', heard).once('exit', gone);
    child.send(message, (error) => {
      if (error) gone();
    });
  });
}

/** Processor time of a process and its descendants so far; undefined where the system does not tell (no /proc). */
export function cpuMs(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold spaces; utime and stime are the 12th and 13th fields after it, in ticks of 10 ms.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const own = (Number(fields[11]) + Number(fields[12])) * 10;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return children.reduce((sum, child) => sum + (cpuMs(Number(child)) ?? 0), own);
  } catch {
    return undefined;
  }
}

export interface Clocks {
  /** Processor time of everything on this machine, over all processors. */
  readonly machineMs: number;
  /** Of this process and its descendants. */
  readonly ownMs: number;
  readonly wallMs: number;
}

export function clocks(): Clocks {
  const machineMs = cpus().reduce(
    (sum, { times }) => sum + times.user + times.nice + times.sys + times.irq,
    0,
  );
  return { machineMs, ownMs: cpuMs(process.pid) ?? machineMs, wallMs: performance.now() };
}

/** Which share of the processors other programs had between the two moments, 0 to 1. */
export function foreignShare(from: Clocks, to: Clocks): number {
  const foreignMs = to.machineMs - from.machineMs - (to.ownMs - from.ownMs);
  return Math.min(1, Math.max(0, foreignMs / ((to.wallMs - from.wallMs) * availableParallelism())));
}
