/** Waits in stories: for a condition, within a bound, and says what never came. */

import { setTimeout as rest } from 'node:timers/promises';

const lookEveryMs = 20;

/** The first value that is neither undefined nor false. Rejects with `what` and the last error when none came in time. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  withinMs = 20_000,
): Promise<Exclude<T, undefined | false>> {
  const endMs = performance.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > endMs) {
      throw new Error(`not within ${withinMs} ms: ${what}`, last === undefined ? {} : { cause: last });
    }
    await rest(lookEveryMs);
  }
}

/** How long the work took, in whole milliseconds, with its result. */
export async function timed<T>(work: () => Promise<T>): Promise<{ readonly ms: number; readonly value: T }> {
  const startMs = performance.now();
  const value = await work();
  return { ms: Math.round(performance.now() - startMs), value };
}
