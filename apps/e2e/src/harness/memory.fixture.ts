/** What the memory of a running program holds, from its own inside. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Layout } from './layout.fixture.ts';
import { until } from './until.fixture.ts';

export interface Memory {
  /** Bytes, after a collection of garbage. */
  readonly heapUsed: number;
  /** Bytes of buffers outside of the heap. */
  readonly external: number;
  readonly rss: number;
  /** How many timers, sockets and so on keep the program going, by kind. */
  readonly resources: Readonly<Record<string, number>>;
}

/** For a program that is to be looked into. */
export const probed = {
  NODE_OPTIONS: `--expose-gc --import=${new URL('./memory-probe.fixture.ts', import.meta.url).href}`,
} as const;

/** Of a layout of one process that was started with `probed`. */
export async function memoryOf(layout: Layout): Promise<Memory> {
  const said = (): readonly string[] => layout.stdout().match(/^memory .*$/gm) ?? [];
  const before = said().length;
  process.kill(pidOf(layout), 'SIGUSR2');
  await until('the program tells of its memory', () => said().length > before);
  return JSON.parse(said().at(-1)?.slice('memory '.length) ?? '{}') as Memory;
}

/** Bytes of the whole process right now, garbage and all. */
export function rssOf(layout: Layout): number {
  const [, kib = '0'] =
    /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pidOf(layout)}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/** Time of all cores together that it has used, in ms, in steps of 10. */
export function cpuMsOf(layout: Layout): number {
  const stat = readFileSync(`/proc/${pidOf(layout)}/stat`, 'utf8');
  // Behind the name, which may hold anything: user and system time are the 12th and 13th, in hundredths of a second.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const pidOf = (layout: Layout): number => layout.pids()[0] ?? assert.fail('the layout has no process');
