/** How long to wait before something is tried again: longer each time, and never in step with others. */

import type { Clock, Random } from '@cruvero/ports';

const firstMs = 500;
const mostMs = 30_000;

/** After `failures` in a row, counted from 0. */
export function backoffMs(failures: number, random: Random): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(failures, 16)) * (0.5 + random() / 2);
}

/** Resolves after the time, or as soon as the signal is aborted. */
export function pause(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const over = (): void => {
    timer.cancel();
    signal.removeEventListener('abort', over);
    resolve();
  };
  const timer = clock.after(delayMs, over);
  signal.addEventListener('abort', over);
  return promise;
}
