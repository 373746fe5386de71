/** One child process with its group: started under the guard, ended with everything that it started. */

import { spawn, type ChildProcess } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { Child, ChildCommand, ChildEvents, ChildExit, ChildUsage } from '@cruvero/ports';
import { guardArgs, guardShell } from './guard.ts';
import { LineSplitter } from './line-splitter.ts';
import { familyOf, markedPids, type ProcessRow } from './process-table.ts';

export interface ChildSetting {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mark: string;
  /** False where there is no shell: the child then runs without the guard. */
  readonly guarded: boolean;
  readonly stdinBytesMax: number;
  readonly stderrBytesMax: number;
  readTable(): readonly ProcessRow[];
  usage(pid: number): ChildUsage | undefined;
}

/** How long its pipes may stay open behind its end: a grandchild may hold them. */
const pipesGraceMs = 500;
/** How long the kernel may need to take killed processes away. */
const goneWaitMs = 2_000;
const pollMs = 10;

export class ProcessChild implements Child {
  readonly #process: ChildProcess | undefined;
  readonly #events: ChildEvents;
  readonly #setting: ChildSetting;
  readonly #ended = Promise.withResolvers<ChildExit>();
  #over = false;
  #stopping = false;
  #killTimer: NodeJS.Timeout | undefined;

  constructor(command: ChildCommand, events: ChildEvents, lineBytesMax: number, setting: ChildSetting) {
    this.#events = events;
    this.#setting = setting;
    try {
      this.#process = start(command, setting);
    } catch (thrown) {
      // A NUL in an argument, or an environment that is too large: the operating system's refusal.
      queueMicrotask(() => this.#finish(refused(thrown)));
      return;
    }
    this.#listen(this.#process, lineBytesMax);
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves when the process and its group are gone. */
  get ended(): Promise<ChildExit> {
    return this.#ended.promise;
  }

  #listen(child: ChildProcess, lineBytesMax: number): void {
    const lines = new LineSplitter(
      lineBytesMax,
      (line) => this.#events.onLine(line),
      () => {
        this.#events.onStderr(`a line of stdout is longer than ${lineBytesMax} bytes; the child is ended\n`);
        this.#signal('SIGKILL');
      },
    );
    child.stdout?.on('data', (chunk: Buffer) => lines.feed(chunk));
    child.stdout?.on('error', () => undefined);
    child.stderr?.setEncoding('utf8');
    child.stderr?.on('data', (text: string) =>
      this.#events.onStderr(text.slice(0, this.#setting.stderrBytesMax)),
    );
    child.stderr?.on('error', () => undefined);
    // A child that closed its stdin or died: said by onExit, or by writeLine.
    child.stdin?.on('error', () => undefined);
    (child.stdio[3] as Writable | null | undefined)?.on('error', () => undefined);
    child.once('error', (error) => {
      if (child.pid === undefined) this.#finish(refused(error));
    });
    child.once('exit', (code, signal) => void this.#afterExit(child, { code, signal }));
  }

  async #afterExit(child: ChildProcess, exit: ChildExit): Promise<void> {
    clearTimeout(this.#killTimer);
    const closed = new Promise<void>((resolve) => {
      if (child.stdout?.closed !== false && child.stderr?.closed !== false) resolve();
      else child.once('close', () => resolve());
    });
    // The leader is gone; whatever it left behind has no right to stay.
    this.#signal('SIGKILL');
    this.#killMarked();
    await Promise.race([closed, pause(pipesGraceMs)]);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await this.#groupGone();
    this.#finish(exit);
  }

  #finish(exit: ChildExit): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.onExit(exit);
    this.#ended.resolve(exit);
  }

  writeLine(line: string): boolean {
    if (line.includes('\n')) throw new RangeError('writeLine takes one line: no line feed in it');
    const stdin = this.#process?.stdin;
    if (this.#over || this.#stopping || !stdin || !stdin.writable) return false;
    if (stdin.writableLength + line.length > this.#setting.stdinBytesMax) return false;
    stdin.write(`${line}\n`);
    return true;
  }

  stop(graceMs: number): Promise<ChildExit> {
    if (!this.#stopping && !this.#over) {
      this.#stopping = true;
      this.#process?.stdin?.end();
      // A well-behaved server ends when its stdin does (MCP, stdio "Shutdown"); it gets a moment for that.
      const politeMs = Math.min(250, graceMs / 4);
      this.#killTimer = setTimeout(() => {
        this.#signal('SIGTERM');
        this.#killTimer = setTimeout(() => this.#signal('SIGKILL'), graceMs - politeMs);
      }, politeMs);
    }
    return this.#ended.promise;
  }

  usage(): ChildUsage | undefined {
    const pid = this.pid;
    return this.#over || pid === undefined ? undefined : this.#setting.usage(pid);
  }

  #signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    const pid = this.pid;
    if (pid === undefined || this.#over) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody is left in the group.
    }
  }

  #killMarked(): void {
    for (const pid of markedPids(this.#setting.mark)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // Gone meanwhile.
      }
    }
  }

  async #groupGone(): Promise<void> {
    const pid = this.pid;
    if (pid === undefined) return;
    for (let waitedMs = 0; waitedMs < goneWaitMs; waitedMs += pollMs) {
      if (!this.#groupLives(pid)) return;
      await pause(pollMs);
    }
  }

  /** A zombie of the group counts as gone: where process 1 does not wait for orphans it would stay for ever. */
  #groupLives(pid: number): boolean {
    try {
      process.kill(-pid, 0);
    } catch {
      return false;
    }
    const table = this.#setting.readTable();
    return table.length === 0 || familyOf(pid, table).length > 0;
  }
}

function start(command: ChildCommand, setting: ChildSetting): ChildProcess {
  const options = {
    cwd: command.cwd,
    env: { ...setting.env },
    shell: false,
    detached: true,
    windowsHide: true,
  } as const;
  return setting.guarded
    ? spawn(guardShell, guardArgs(setting.mark, setting.path, command.args), {
        ...options,
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      })
    : spawn(setting.path, [...command.args], { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
}

function refused(thrown: unknown): ChildExit {
  return { code: null, signal: null, spawnError: thrown instanceof Error ? thrown.message : String(thrown) };
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
