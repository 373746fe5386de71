/** Processes of this machine as /proc shows them. */

import { readdirSync, readFileSync } from 'node:fs';

export interface ProcessSeen {
  readonly pid: number;
  readonly parent: number;
  /** Program and arguments. */
  readonly words: readonly string[];
}

/** Every process that runs; the dead of whom nobody has taken notice are not among them. */
export function runningProcesses(): readonly ProcessSeen[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      // The name in parentheses may hold anything, so the fields are counted from its end.
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || state === 'X') return [];
      const words = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0').filter(Boolean);
      return [{ pid: Number(entry), parent: Number(parent), words }];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

/** Children of a process, their children and so on. */
export function descendantsOf(pid: number): readonly ProcessSeen[] {
  const all = runningProcesses();
  const found: ProcessSeen[] = [];
  for (const parents = new Set([pid]); ;) {
    const more = all.filter((each) => parents.has(each.parent) && !parents.has(each.pid));
    if (more.length === 0) return found;
    for (const each of more) parents.add(each.pid);
    found.push(...more);
  }
}
