/** Waits in tests until something holds, within a bound. */

import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { isAlive } from './process.ts';

/** @throws when it does not hold within the bound (15 s when left out). */
export async function eventually(what: string, holds: () => boolean, withinMs = 15_000): Promise<void> {
  const untilMs = Date.now() + withinMs;
  while (!holds()) {
    if (Date.now() >= untilMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(20);
  }
}

/** A zombie that nobody collects does not run. */
export function isRunning(pid: number): boolean {
  return isAlive(pid) && (process.platform !== 'linux' || existsSync(`/proc/${pid}/fd/0`));
}
