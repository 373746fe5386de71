/** Names that say which process they belong to, so that a later one can clear away what a dead one left. */

import { readdirSync, readFileSync } from 'node:fs';

export const leftoverPrefix = 'cruvero-code-exec-';

/** Start of a process in clock ticks since boot: with the pid it names one process for good. Undefined where it is gone. */
export function startTicksOf(pid: number): string | undefined {
  try {
    // The command in parentheses may hold anything; fields are counted behind it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/** The prefix of everything that this process makes; `mark` tells two of the same process apart. */
export function ownPrefix(mark: string): string {
  return `${leftoverPrefix}${process.pid}.${startTicksOf(process.pid) ?? '0'}.${mark}`;
}

/** True where the name follows the pattern and its process is gone. */
export function isLeftover(name: string): boolean {
  const found = /^cruvero-code-exec-([0-9]+)\.([0-9]+)\./.exec(name);
  return found !== null && startTicksOf(Number(found[1])) !== found[2];
}

/** Kills launchers and first processes of runs by the name in their arguments; all others of a run go with them. */
export function killMarked(wanted: (mark: string) => boolean): void {
  for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      const mark = words.find((word) => word.startsWith(leftoverPrefix));
      if (mark !== undefined && words.includes(markBefore) && wanted(mark))
        process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Gone meanwhile, or somebody else's.
    }
  }
}

/** Stands in the arguments of every first process, so that nobody who only mentions a name is taken for one. */
export const markBefore = '--norc';
