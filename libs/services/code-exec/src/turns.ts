/** Who may run, who waits, and who is told to come again. */

import type { Clock, Timer } from '@cruvero/ports';

/** Gives the turn back; to be called once. */
export interface Turn {
  done(): void;
}

export interface Busy {
  readonly busy: 'full' | 'late' | 'closed';
  readonly retryAfterMs: number;
}

export interface TurnsOptions {
  readonly runsMax: number;
  readonly waitingMax: number;
  readonly waitMsMax: number;
}

interface Waiting {
  readonly take: (turn: Turn | Busy) => void;
  readonly timer: Timer;
}

const retryMsMin = 500;
const retryMsMax = 60_000;
/** Of a new duration in the running mean. */
const weight = 0.2;

export class Turns {
  readonly #options: TurnsOptions;
  readonly #clock: Pick<Clock, 'after' | 'monotonicMs'>;
  readonly #waiting = new Set<Waiting>();
  #running = 0;
  #closed = false;
  #meanMs = 1_000;

  constructor(options: TurnsOptions, clock: Pick<Clock, 'after' | 'monotonicMs'>) {
    this.#options = options;
    this.#clock = clock;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** First come, first served. Undefined: the caller went away while it waited. */
  take(signal: AbortSignal): Promise<Turn | Busy | undefined> {
    if (this.#closed) return Promise.resolve(this.#busy('closed'));
    if (this.#running < this.#options.runsMax) return Promise.resolve(this.#begin());
    if (this.#waiting.size >= this.#options.waitingMax) return Promise.resolve(this.#busy('full'));
    return new Promise((resolve) => {
      const leave = (result: Turn | Busy | undefined): void => {
        waiting.timer.cancel();
        this.#waiting.delete(waiting);
        signal.removeEventListener('abort', onAbort);
        resolve(result);
      };
      const onAbort = (): void => leave(undefined);
      const waiting: Waiting = {
        take: leave,
        timer: this.#clock.after(this.#options.waitMsMax, () => leave(this.#busy('late'))),
      };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  #begin(): Turn {
    this.#running += 1;
    const startMs = this.#clock.monotonicMs();
    return {
      done: () => {
        this.#running -= 1;
        this.#meanMs += weight * (this.#clock.monotonicMs() - startMs - this.#meanMs);
        const [next] = this.#waiting;
        if (next && !this.#closed) next.take(this.#begin());
      },
    };
  }

  /** When about half of those in front will be through. */
  #busy(busy: Busy['busy']): Busy {
    const ahead = (this.#waiting.size + this.#running) / this.#options.runsMax;
    const retryAfterMs = Math.round(Math.min(retryMsMax, Math.max(retryMsMin, (this.#meanMs * ahead) / 2)));
    return { busy, retryAfterMs };
  }

  /** Nobody new; who waits is told so. */
  close(): void {
    this.#closed = true;
    for (const { take } of [...this.#waiting]) take(this.#busy('closed'));
  }
}
