/**
 * Real pipes for the two outputs of a run. Node itself gives sockets, and a program that opens /dev/stdout or
 * /dev/stderr by name, as many shell scripts do, fails on a socket.
 */

import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';

interface Ends {
  readonly stdout: number;
  readonly stderr: number;
}

/** As descriptors: ours to read from, and the run's, which is closed here once the run has it. */
export interface PipeSet {
  readonly ours: Ends;
  readonly theirs: Ends;
}

const names = ['stdout', 'stderr'] as const;
const setsAtOnce = 8;

/** Named pipes in a folder that only this process may enter; each set is used again when its run is over. */
export class PipePool {
  readonly #folder: string;
  readonly #free: number[] = [];
  #made = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A set that nobody else uses. Throws where the machine has no mkfifo. */
  take(): number {
    if (this.#free.length === 0) this.#makeMore();
    return this.#free.pop() ?? this.#made - 1;
  }

  giveBack(set: number): void {
    this.#free.push(set);
  }

  #makeMore(): void {
    const sets = Array.from({ length: setsAtOnce }, (_, index) => this.#made + index);
    const paths = sets.flatMap((set) => names.map((name) => this.#path(set, name)));
    // 666: a run under its own user may open its own streams again by name, through /proc.
    const { status, error, stderr } = spawnSync('mkfifo', ['-m', '666', ...paths], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`mkfifo failed: ${error?.message ?? stderr.trim()}`);
    this.#made += setsAtOnce;
    this.#free.push(...sets);
  }

  #path(set: number, name: (typeof names)[number]): string {
    return join(this.#folder, `${set}-${name}`);
  }

  /** No open waits: the end that reads is there first. */
  open(set: number): PipeSet {
    const opened: number[] = [];
    const open = (name: (typeof names)[number], flags: number): number => {
      const fd = openSync(this.#path(set, name), flags);
      opened.push(fd);
      return fd;
    };
    const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
    try {
      const ours = {
        stdout: open('stdout', O_RDONLY | O_NONBLOCK),
        stderr: open('stderr', O_RDONLY | O_NONBLOCK),
      };
      return { ours, theirs: { stdout: open('stdout', O_WRONLY), stderr: open('stderr', O_WRONLY) } };
    } catch (error) {
      for (const fd of opened) closeSync(fd);
      throw error;
    }
  }
}
