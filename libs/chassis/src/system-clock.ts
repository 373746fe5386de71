/** Real time and real chance, for mains to hand to everything below them. */

import type { Clock, Random, Timer } from '@cruvero/ports';

/** The longest delay that Node's timers take; a longer one would fire at once. */
const delayMsMax = 2 ** 31 - 1;

/** Timers are unref'd: they never keep the process alive. Delays below 0 count as 0. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after,
  every,
};

export const systemRandom: Random = () => Math.random();

function after(delayMs: number, work: () => void): Timer {
  if (Number.isNaN(delayMs)) throw new RangeError('after() needs a delay that is a number');
  const dueMs = performance.now() + delayMs;
  let timer: NodeJS.Timeout;
  const set = (leftMs: number): void => {
    const step = Math.min(leftMs, delayMsMax);
    timer = setTimeout(() => (step < leftMs ? set(dueMs - performance.now()) : work()), step).unref();
  };
  set(Math.max(0, delayMs));
  return { cancel: () => clearTimeout(timer) };
}

function every(intervalMs: number, work: () => void): Timer {
  if (!(intervalMs > 0)) throw new RangeError(`every() needs an interval above 0, got ${intervalMs}`);
  if (intervalMs > delayMsMax)
    throw new RangeError(`every() takes at most ${delayMsMax} ms, got ${intervalMs}`);
  const timer = setInterval(work, intervalMs).unref();
  return { cancel: () => clearInterval(timer) };
}
