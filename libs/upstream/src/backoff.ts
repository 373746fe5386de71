/** How long to wait before something is tried again: longer each time, and never in step with others. */

import type { Clock, Random } from '@cruvero/ports';

const firstMs = 500;
const mostMs = 30_000;

/** After `failures` in a row, counted from 0. */
export function backoffMs(failures: number, random: Random): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(failures, 16)) * (0.5 + random() / 2);
}

/** Resolves with the promise, or after the time, or as soon as the signal is aborted; true where the time was over first. */
export async function isLate(
  promise: Promise<void>,
  boundMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const { promise: over, resolve } = Promise.withResolvers<boolean>();
  const timer = clock.after(boundMs, () => resolve(true));
  const gaveUp = (): void => resolve(false);
  signal.addEventListener('abort', gaveUp);
  if (signal.aborted) gaveUp();
  const late = await Promise.race([promise.then(() => false), over]);
  timer.cancel();
  signal.removeEventListener('abort', gaveUp);
  return late;
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
