/** Which processes belong to a child, from /proc; empty where the platform has none (macOS). */

import { readdirSync, readFileSync } from 'node:fs';
import type { ChildUsage } from '@cruvero/ports';
import { markName } from './guard.ts';

export interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  /** Ended and only waiting to be asked for its exit code. */
  readonly isZombie: boolean;
  readonly cpuTicks: number;
  readonly rssPages: number;
}

/** Linux reports in these units on every platform that Node runs on (sysconf _SC_CLK_TCK; pages are 4 KiB or more). */
const tickMs = 10;

export function readProcessTable(): readonly ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const pid of pids()) {
    const row = parseStat(readText(`/proc/${pid}/stat`));
    if (row) rows.push(row);
  }
  return rows;
}

function pids(): readonly string[] {
  try {
    return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name));
  } catch {
    return [];
  }
}

/** Empty where the process has gone meanwhile, or is another user's. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** proc(5): the name in brackets may hold anything, so fields are counted behind the last bracket. */
export function parseStat(text: string): ProcessRow | undefined {
  const nameEnd = text.lastIndexOf(')');
  if (nameEnd < 0) return undefined;
  const fields = text.slice(nameEnd + 2).split(' ');
  const at = (field: number): number => Number(fields[field - 3]);
  return {
    pid: Number.parseInt(text, 10),
    isZombie: fields[0] === 'Z' || fields[0] === 'X',
    parentPid: at(4),
    groupId: at(5),
    // Own time, and that of children which have ended and were waited for.
    cpuTicks: at(14) + at(15) + at(16) + at(17),
    rssPages: at(24),
  };
}

/** The group's processes and all their descendants, those included that made a group of their own (browsers do). */
export function familyOf(leaderPid: number, table: readonly ProcessRow[]): readonly ProcessRow[] {
  const family = new Set<number>();
  let grown = true;
  while (grown) {
    grown = false;
    for (const row of table) {
      if (family.has(row.pid)) continue;
      if (row.pid !== leaderPid && row.groupId !== leaderPid && !family.has(row.parentPid)) continue;
      family.add(row.pid);
      grown = true;
    }
  }
  return table.filter((row) => family.has(row.pid) && !row.isZombie);
}

/** Processes that inherited this mark, wherever they went. */
export function markedPids(mark: string): readonly number[] {
  const entry = `${markName}=${mark}`;
  return pids()
    .filter((pid) => readText(`/proc/${pid}/environ`).split('\0').includes(entry))
    .map(Number);
}

/** Memory that two processes share is counted for each of them. */
export function usageOf(rows: readonly ProcessRow[], pageBytes: number): ChildUsage | undefined {
  if (rows.length === 0) return undefined;
  let rssPages = 0;
  let cpuTicks = 0;
  for (const row of rows) {
    rssPages += row.rssPages;
    cpuTicks += row.cpuTicks;
  }
  return { rssBytes: rssPages * pageBytes, cpuMs: cpuTicks * tickMs };
}

/** This process's own resident bytes over its resident pages: arm64 kernels may use 16 or 64 KiB. */
export function measurePageBytes(): number {
  const own = parseStat(readText('/proc/self/stat'));
  if (!own || own.rssPages === 0) return 4_096;
  const ratio = process.memoryUsage.rss() / own.rssPages;
  return ratio > 40_000 ? 65_536 : ratio > 10_000 ? 16_384 : 4_096;
}
