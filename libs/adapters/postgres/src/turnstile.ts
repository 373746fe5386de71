/** One at a time, first come first served, with a bound on those who wait: the embedded database has one session. */

import { StoreUnavailable } from '@cruvero/ports';

export class Turnstile {
  readonly #waitersMax: number;
  readonly #waiters: (() => void)[] = [];
  #taken = false;

  constructor(waitersMax: number) {
    this.#waitersMax = waitersMax;
  }

  /** Rejects with StoreUnavailable when the queue is full. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter();
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #enter(): Promise<void> {
    if (!this.#taken) {
      this.#taken = true;
      return Promise.resolve();
    }
    if (this.#waiters.length >= this.#waitersMax) {
      throw new StoreUnavailable(
        `the embedded database is busy: ${this.#waitersMax} statements wait already`,
      );
    }
    return new Promise((resolve) => void this.#waiters.push(resolve));
  }

  #leave(): void {
    const next = this.#waiters.shift();
    if (next) next();
    else this.#taken = false;
  }
}
