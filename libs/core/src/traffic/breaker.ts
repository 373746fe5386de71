/** The circuit breaker of one instance, as a step: state and event in, state out. */

export interface BreakerPolicy {
  /** Consecutive failures that shut it. */
  readonly failuresMax: number;
  /** Successful probes that open the way again. */
  readonly successesMin: number;
  /** First pause; doubled with every trip in a row, up to `pauseMsMax`. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
}

/** Requirements 222-227 and appendix E 15; recovery must take less than 60 s (requirement 483). */
export const defaultBreaker: BreakerPolicy = {
  failuresMax: 5,
  successesMin: 2,
  pauseMs: 5_000,
  pauseMsMax: 30_000,
};

export type Breaker =
  | { readonly at: 'admitting'; readonly failures: number }
  | { readonly at: 'shut'; readonly untilMs: number; readonly trips: number }
  /** One call may try; `asking` says that it is under way, since `sinceMs`. */
  | {
      readonly at: 'probing';
      readonly trips: number;
      readonly successes: number;
      readonly asking: boolean;
      readonly sinceMs: number;
    };

export type BreakerEvent = 'asked' | 'succeeded' | 'failed' | 'abandoned';

export const admitting: Breaker = { at: 'admitting', failures: 0 };

/** A probe that never came back does not keep the way shut for ever. */
const probeMsMax = 60_000;

/** True where a call may be sent now. */
export function admits(b: Breaker, nowMs: number): boolean {
  if (b.at === 'admitting') return true;
  if (b.at === 'shut') return nowMs >= b.untilMs;
  return !b.asking || nowMs - b.sinceMs >= probeMsMax;
}

export function stepBreaker(b: Breaker, event: BreakerEvent, nowMs: number, policy: BreakerPolicy): Breaker {
  switch (b.at) {
    case 'admitting':
      if (event === 'succeeded') return b.failures === 0 ? b : admitting;
      if (event !== 'failed') return b;
      return b.failures + 1 < policy.failuresMax
        ? { at: 'admitting', failures: b.failures + 1 }
        : shut(1, nowMs, policy);
    case 'shut':
      return event === 'asked' && nowMs >= b.untilMs
        ? { at: 'probing', trips: b.trips, successes: 0, asking: true, sinceMs: nowMs }
        : b;
    case 'probing':
      if (event === 'failed') return shut(b.trips + 1, nowMs, policy);
      if (event === 'asked') return { ...b, asking: true, sinceMs: nowMs };
      if (event === 'abandoned') return { ...b, asking: false };
      return b.successes + 1 >= policy.successesMin
        ? admitting
        : { ...b, asking: false, successes: b.successes + 1 };
  }
}

function shut(trips: number, nowMs: number, policy: BreakerPolicy): Breaker {
  const pauseMs = Math.min(policy.pauseMsMax, policy.pauseMs * 2 ** Math.min(trips - 1, 16));
  return { at: 'shut', untilMs: nowMs + pauseMs, trips };
}
