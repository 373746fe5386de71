/** The real clock, for tests that run against a real server. */

import type { Clock, Timer } from '@cruvero/ports';

const timer = (handle: NodeJS.Timeout): Timer => {
  handle.unref();
  return { cancel: () => clearTimeout(handle) };
};

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, work) => timer(setTimeout(work, delayMs)),
  every: (intervalMs, work) => timer(setInterval(work, intervalMs)),
};

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
