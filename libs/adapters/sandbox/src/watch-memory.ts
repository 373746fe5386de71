/** Counts the memory of a run where no cgroup does: looks at its processes and its folders again and again. */

import { readdirSync, readFileSync, statfsSync } from 'node:fs';

export interface MemoryWatch {
  readonly peakBytes: () => number | undefined;
  stop(): void;
}

const intervalMs = 25;
const pageBytes = 4_096;
/** Files cost memory that no size limit of a folder counts. */
const inodesMax = 50_000;
const folders = ['/work', '/tmp', '/dev/shm'];

/** `onExcess` may be called more than once. */
export function watchMemory(pid: number, bytesMax: number, onExcess: () => void): MemoryWatch {
  let peak: number | undefined;
  const look = (): void => {
    const resident = residentBytes(pid);
    const { bytes, inodes } = folderUse(pid);
    peak = Math.max(peak ?? 0, resident + bytes);
    if (resident + bytes > bytesMax || inodes > inodesMax) onExcess();
  };
  const timer = setInterval(look, intervalMs);
  return { peakBytes: () => peak, stop: () => clearInterval(timer) };
}

/** Of process 1 and all below it; orphans become its children, so nobody gets away. */
function residentBytes(pid: number): number {
  const rows = new Map<number, { readonly parent: number; readonly bytes: number }>();
  for (const name of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const fields = statFields(name);
    if (fields) rows.set(Number(name), { parent: Number(fields[1]), bytes: Number(fields[21]) * pageBytes });
  }
  const belongs = (each: number, depth = 0): boolean => {
    if (each === pid) return true;
    const row = rows.get(each);
    return row !== undefined && depth < 1_000 && belongs(row.parent, depth + 1);
  };
  let sum = 0;
  for (const [each, { bytes }] of rows) if (belongs(each)) sum += bytes;
  return sum;
}

function statFields(pid: string): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

function folderUse(pid: number): { readonly bytes: number; readonly inodes: number } {
  let [bytes, inodes] = [0, 0];
  for (const folder of folders) {
    try {
      const { blocks, bfree, bsize, files, ffree } = statfsSync(`/proc/${pid}/root${folder}`);
      bytes += (blocks - bfree) * bsize;
      inodes += files - ffree;
    } catch {
      // The run is over.
    }
  }
  return { bytes, inodes };
}
