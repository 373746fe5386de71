/** Starts one child process in a group of its own, keeps what it says, and sees to it that it never outlives this process. */

import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { Output } from './output.ts';
import { keepGroup, releaseGroup } from './reaper-link.ts';

export interface LaunchSpec {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the child; this process's own when left out. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly cwd?: string | undefined;
  readonly logFile?: string | undefined;
  /** See `OutputOptions.logStdout`; `all` when left out. */
  readonly logStdout?: 'all' | 'json' | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** How long to wait for the last words of a process whose children still hold its pipes. */
const lastWordsWithinMs = 250;
const groupGoneWithinMs = 1_000;
const pollMs = 10;

/** One run of a child process. Its handles do not keep this process alive. */
export class Running {
  readonly pid: number;
  readonly output: Output;
  /** Resolves when the process has ended and said its last words. */
  readonly exited: Promise<Exit>;
  #exit: Exit | undefined;

  constructor(spec: LaunchSpec) {
    this.output = new Output({ logFile: spec.logFile, logStdout: spec.logStdout ?? 'all' });
    const child = spawn(spec.command, [...spec.args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: spec.cwd,
      env: spec.env ?? process.env,
    });
    this.pid = child.pid ?? 0;
    if (this.pid > 0) keepGroup(this.pid);
    for (const [stream, lines] of [
      [child.stdout, this.output.fromStdout],
      [child.stderr, this.output.fromStderr],
    ] as const) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => lines.add(chunk));
      if (stream instanceof Socket) stream.unref();
    }
    child.unref();
    this.exited = new Promise((resolve) => {
      const end = (exit: Exit): void => {
        this.#exit = exit;
        this.output.end();
        if (this.pid > 0 && !groupAlive(this.pid)) releaseGroup(this.pid);
        resolve(exit);
      };
      child.once('error', (error) => {
        this.output.fromStderr.add(`${error.message}\n`);
        if (this.pid === 0) end({ code: -1, signal: null });
      });
      child.once('exit', (code, signal) => {
        const patience = setTimeout(() => end({ code, signal }), lastWordsWithinMs);
        child.once('close', () => {
          clearTimeout(patience);
          end({ code, signal });
        });
      });
    });
  }

  /** How it ended; undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** Sends a signal to the process alone; nothing happens when it is gone. */
  signal(signal: NodeJS.Signals): void {
    if (this.pid > 0 && this.#exit === undefined) send(this.pid, signal);
  }

  /** Sends a signal to the process and to all its descendants, also those that left its group (PostgreSQL's do). */
  signalTree(signal: NodeJS.Signals): void {
    if (this.pid === 0 || this.#exit !== undefined) return;
    for (const pid of [this.pid, ...descendants(this.pid)]) send(pid, signal);
  }

  /** Kills whatever is left of the process group, and waits a moment until nothing is (zombies may stay longer). */
  async endGroup(): Promise<void> {
    if (this.pid === 0) return;
    const untilMs = Date.now() + groupGoneWithinMs;
    while (groupAlive(this.pid) && Date.now() < untilMs) {
      send(-this.pid, 'SIGKILL');
      await sleep(pollMs);
    }
    releaseGroup(this.pid);
    await this.ended(1_000);
  }

  /** Waits for the end, at most so long; says whether it came. */
  async ended(withinMs: number): Promise<boolean> {
    const bound = new AbortController();
    const late = sleep(withinMs, false, { signal: bound.signal }).catch(() => false);
    const first = await Promise.race([this.exited.then(() => true), late]);
    bound.abort();
    return first;
  }
}

/** `exit code 1` or `signal SIGKILL`. */
export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `exit code ${String(code)}` : `signal ${signal}`;
}

/** This process's environment as a child should get it: without what the test runner says to its own children. */
export function inheritedEnv(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  return env;
}

export interface CommandOptions {
  /** Given to standard input. */
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a short command to its end. @returns its standard output. @throws when it fails, with what it said. */
export async function runCommand(
  command: string,
  args: readonly string[],
  { input = '', timeoutMs = 30_000, env = inheritedEnv() }: CommandOptions = {},
): Promise<string> {
  return await new Promise((resolve, reject) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL', env, cwd: '/' } as const;
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const said = `${stdout}${stderr}`.trim().split('\n').slice(-20).join('\n');
      reject(new Error(`${command} failed (${error.message.split('\n')[0] ?? ''}):\n${said}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already.
  }
}

/** True while a process with this id exists (a zombie counts). */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function groupAlive(pid: number): boolean {
  return isAlive(-pid);
}

/** Children, their children and so on; empty where the system does not tell (no /proc). */
function descendants(pid: number): number[] {
  let listed: string;
  try {
    listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  } catch {
    return [];
  }
  const children = listed.split(' ').filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}
