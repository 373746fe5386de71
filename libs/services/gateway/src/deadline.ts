/** The end of a call that took too long, told apart from the caller's own leaving. Time that its caller takes to answer a question is not counted. */

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

export class Deadline {
  readonly #boundMs: number;
  readonly #abort: AbortController;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #endsAtMs: number;
  #pausedAtMs = 0;
  #pauses = 0;

  /** Aborts the call after `boundMs`. */
  constructor(boundMs: number, abort: AbortController, clock: Clock) {
    this.#boundMs = boundMs;
    this.#abort = abort;
    this.#clock = clock;
    this.#endsAtMs = clock.monotonicMs() + boundMs;
    this.#arm();
  }

  leftMs(): number {
    const nowMs = this.#pauses > 0 ? this.#pausedAtMs : this.#clock.monotonicMs();
    return Math.max(0, this.#endsAtMs - nowMs);
  }

  /** Stands still until `resume`; may be called several times. */
  pause(): void {
    this.#pauses += 1;
    if (this.#pauses > 1) return;
    this.#pausedAtMs = this.#clock.monotonicMs();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  resume(): void {
    this.#pauses -= 1;
    if (this.#pauses > 0) return;
    this.#endsAtMs += this.#clock.monotonicMs() - this.#pausedAtMs;
    this.#arm();
  }

  /** The call is through. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#pauses = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.leftMs(), () =>
      this.#abort.abort(new DeadlinePassed(this.#boundMs)),
    );
  }
}

/** The time that the call had, where its deadline ended it; undefined for any other end, or none. */
export function lateBy(signal: AbortSignal): number | undefined {
  const reason: unknown = signal.reason;
  return reason instanceof DeadlinePassed ? reason.boundMs : undefined;
}
