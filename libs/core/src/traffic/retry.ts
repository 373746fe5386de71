/** Whether a failed attempt may be made again, and when. */

import type { Fault } from '../model/fault.ts';

export interface RetryPolicy {
  /** Attempts besides the first. */
  readonly retriesMax: number;
  /** Before the first retry at the same place; doubled each time, with jitter. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export interface Attempt {
  /** Attempts made so far, the failed one included. */
  readonly made: number;
  readonly fault: Fault;
  /** The call may be executed twice without harm. */
  readonly idempotent: boolean;
  /** Another instance stands ready that this call did not try. */
  readonly elsewhere: boolean;
  /** Time left until the call's deadline. */
  readonly leftMs: number;
}

export type RetryVerdict = { readonly retryInMs: number } | { readonly stop: true };

const stop: RetryVerdict = { stop: true };

/** Only what never left, or what may run twice (design §6, "Safe retries"; appendix E 16). */
export function decideRetry(attempt: Attempt, policy: RetryPolicy, random: () => number): RetryVerdict {
  if (attempt.made > policy.retriesMax || !worthIt(attempt.fault, attempt.idempotent)) return stop;
  if (attempt.elsewhere) return attempt.leftMs > 0 ? { retryInMs: 0 } : stop;
  const ceiling = Math.min(policy.backoffMsMax, policy.backoffMs * 2 ** Math.min(attempt.made - 1, 16));
  const retryInMs = Math.round(ceiling * (0.5 + random() / 2));
  return retryInMs < attempt.leftMs ? { retryInMs } : stop;
}

function worthIt(fault: Fault, idempotent: boolean): boolean {
  switch (fault.fault) {
    case 'upstream_unavailable':
      return fault.neverLeft || idempotent;
    case 'upstream_timeout':
    case 'upstream_broken':
      return idempotent;
    default:
      return false;
  }
}
