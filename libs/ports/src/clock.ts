/** Time, timers and chance as arguments: nothing below an app may read the real ones. */

export interface Timer {
  /** Idempotent. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Milliseconds that never run backwards; for durations. */
  monotonicMs(): number;
  /** Runs `work` once, `delayMs` from now; a timer never keeps the process alive. */
  after(delayMs: number, work: () => void): Timer;
  /** Runs `work` every `intervalMs` until cancelled. */
  every(intervalMs: number, work: () => void): Timer;
}

/** Uniform in [0, 1). */
export type Random = () => number;
