/** How long one exchange may take: its silence and its whole are bounded, but not while somebody else has to answer first. */

import type { Fault, ServerName } from '@cruvero/core';
import type { Clock, Timer, UpstreamFault } from '@cruvero/ports';
import { coreFault } from './faults.ts';

/** Timers take no more; stands for a bound that this side keeps itself. */
export const timerMsMax = 2 ** 31 - 1;

export interface PatienceBounds {
  /** Of silence. */
  readonly timeoutMs: number;
  /** Of everything, from the first byte sent; absent: only silence is bounded. */
  readonly wholeMs: number | undefined;
}

/** Ends one exchange by a signal of its own, so that the call may go on with another attempt. */
export class Patience {
  readonly #abort = new AbortController();
  readonly #caller: AbortSignal;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #silence: Timer | undefined;
  #whole: Timer | undefined;
  #waiting = false;
  #held = 0;
  #lateMs: number | undefined;

  constructor(caller: AbortSignal, clock: Clock, bounds: PatienceBounds) {
    this.#caller = caller;
    this.#clock = clock;
    this.#timeoutMs = bounds.timeoutMs;
    if (bounds.wholeMs !== undefined) this.#whole = this.#giveUpAfter(bounds.wholeMs);
    if (caller.aborted) this.#abort.abort();
    else caller.addEventListener('abort', this);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** The caller's abort signal. */
  handleEvent(): void {
    this.giveUp();
  }

  /** From now on the server is waited for; call it again when something came. */
  wait(): void {
    this.#silence?.cancel();
    this.#waiting = true;
    if (this.#held === 0 && !this.signal.aborted) this.#silence = this.#giveUpAfter(this.#timeoutMs);
  }

  rest(): void {
    this.#waiting = false;
    this.#silence?.cancel();
  }

  /** Silence is not bounded until the returned function is called; it may be called more than once. */
  hold(): () => void {
    this.#held += 1;
    this.#silence?.cancel();
    let holds = true;
    return () => {
      if (!holds) return;
      holds = false;
      this.#held -= 1;
      if (this.#held === 0 && this.#waiting) this.wait();
    };
  }

  /** Closes the connection. */
  giveUp(): void {
    this.#abort.abort();
  }

  /** No bound runs any more; the caller's abort still closes the connection. */
  settle(): void {
    this.rest();
    this.#whole?.cancel();
  }

  /** Nothing is left to close: callers' signals may live long. */
  end(): void {
    this.settle();
    this.#caller.removeEventListener('abort', this);
  }

  /** What it was, where the exchange ended because of this; undefined where it broke by itself. */
  why(server: ServerName): Fault | undefined {
    if (this.#caller.aborted) return { fault: 'cancelled' };
    if (this.#lateMs !== undefined) return { fault: 'upstream_timeout', server, timeoutMs: this.#lateMs };
    return undefined;
  }

  /** In the words of the core; what never left was not late but never connected. */
  faultOf(fault: UpstreamFault, server: ServerName): Fault {
    const late = fault.fault === 'aborted' && this.#lateMs !== undefined && !this.#caller.aborted;
    if (!late) return coreFault(fault, server, this.#timeoutMs);
    const detail = `no connection within ${this.#lateMs} ms`;
    return coreFault({ fault: 'timeout', detail, neverLeft: fault.neverLeft }, server, this.#lateMs ?? 0);
  }

  #giveUpAfter(boundMs: number): Timer {
    return this.#clock.after(boundMs, () => {
      this.#lateMs = boundMs;
      this.giveUp();
    });
  }
}
