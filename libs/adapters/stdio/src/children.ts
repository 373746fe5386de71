/** The Children port on real processes. */

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Child, ChildCommand, ChildEvents, ChildExit, Children, ChildUsage, Log } from '@cruvero/ports';
import { findCommand } from './find-command.ts';
import { guardShell } from './guard.ts';
import { ProcessChild, type ChildSetting } from './process-child.ts';
import { familyOf, measurePageBytes, readProcessTable, usageOf, type ProcessRow } from './process-table.ts';

export interface ChildProcessesOptions {
  readonly log?: Log;
  /** Where the few inherited variables come from; this process's own environment unless said. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Lines that the child has not read yet; 16 MiB unless said. */
  readonly stdinBytesMax?: number;
  /** Of one piece of stderr; 64 KiB unless said. */
  readonly stderrBytesMax?: number;
}

/** All that a child gets of its parent's environment: nothing here carries a secret. */
export const inheritedNames: readonly string[] = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
];

const stopGraceMs = 2_000;
/** A scrape asks for every child; one look at /proc serves them all. */
const tableAgeMs = 1_000;
const fallbackPath = '/usr/local/bin:/usr/bin:/bin';

/** Every child has its own process group, and ends with this process however that ends (docs/adr/0004). */
export function childProcesses(options: ChildProcessesOptions = {}): Children {
  return new ProcessChildren(options);
}

class ProcessChildren implements Children {
  readonly #options: ChildProcessesOptions;
  readonly #alive = new Set<ProcessChild>();
  readonly #guarded = existsSync(guardShell);
  readonly #pageBytes = measurePageBytes();
  #table: readonly ProcessRow[] = [];
  #tableAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ChildProcessesOptions) {
    this.#options = options;
    if (!this.#guarded) {
      options.log?.warn(`There is no ${guardShell}: children may outlive this process if it is killed.`);
    }
  }

  spawn(command: ChildCommand, events: ChildEvents, lineBytesMax: number): Child {
    const env = this.#environment(command);
    const found = findCommand(command.command, env['PATH'] ?? fallbackPath, command.cwd ?? process.cwd());
    if ('problem' in found) return neverRan(found.problem, events);
    const child: ProcessChild = new ProcessChild(
      command,
      events,
      lineBytesMax,
      this.#setting(found.path, env),
    );
    this.#alive.add(child);
    void child.ended.then(() => this.#alive.delete(child));
    return child;
  }

  #setting(path: string, env: Readonly<Record<string, string>>): ChildSetting {
    return {
      path,
      env,
      mark: randomUUID(),
      guarded: this.#guarded,
      stdinBytesMax: this.#options.stdinBytesMax ?? 16 << 20,
      stderrBytesMax: this.#options.stderrBytesMax ?? 64 << 10,
      readTable: readProcessTable,
      usage: (pid) => this.#usage(pid),
    };
  }

  #environment(command: ChildCommand): Record<string, string> {
    const parent = this.#options.env ?? process.env;
    const env: Record<string, string> = {};
    for (const name of inheritedNames) {
      const value = parent[name];
      if (value !== undefined) env[name] = value;
    }
    return { ...env, ...command.env };
  }

  #usage(pid: number): ChildUsage | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#tableAtMs > tableAgeMs) {
      this.#table = readProcessTable();
      this.#tableAtMs = nowMs;
    }
    return usageOf(familyOf(pid, this.#table), this.#pageBytes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#alive].map((child) => child.stop(stopGraceMs)));
  }
}

function neverRan(spawnError: string, events: ChildEvents): Child {
  const exit: ChildExit = { code: null, signal: null, spawnError };
  queueMicrotask(() => events.onExit(exit));
  return {
    pid: undefined,
    writeLine: () => false,
    stop: () => Promise.resolve(exit),
    usage: () => undefined,
  };
}
