/** The end of a call that took too long, told apart from the caller's own leaving. */

import type { Clock, Timer } from '@cruvero/ports';

/** Why a call was aborted: its deadline passed. */
class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed';
  /** Time that the call had. */
  readonly boundMs: number;

  constructor(boundMs: number) {
    super(`the call took longer than ${boundMs} ms`);
    this.boundMs = boundMs;
  }
}

/** Aborts the call at its deadline; cancel the timer when the call is through. */
export function endAt(deadlineMs: number, abort: AbortController, clock: Clock): Timer {
  const boundMs = Math.max(0, deadlineMs - clock.nowMs());
  return clock.after(boundMs, () => abort.abort(new DeadlinePassed(boundMs)));
}

/** The time that the call had, where its deadline ended it; undefined for any other end, or none. */
export function lateBy(signal: AbortSignal): number | undefined {
  const reason: unknown = signal.reason;
  return reason instanceof DeadlinePassed ? reason.boundMs : undefined;
}
