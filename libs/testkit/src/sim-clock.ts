/** Time that moves only when a test says so. */

import type { Clock, Timer } from '@cruvero/ports';

interface Due {
  atMs: number;
  readonly order: number;
  readonly work: () => void;
  readonly everyMs?: number;
}

export class SimClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  #order = 0;
  readonly #due = new Set<Due>();

  constructor(startMs = 1_800_000_000_000) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  after(delayMs: number, work: () => void): Timer {
    return this.#schedule({ atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, work });
  }

  every(intervalMs: number, work: () => void): Timer {
    if (!(intervalMs > 0)) throw new RangeError(`every() needs an interval above 0, got ${intervalMs}`);
    return this.#schedule({
      atMs: this.#nowMs + intervalMs,
      order: this.#order++,
      work,
      everyMs: intervalMs,
    });
  }

  #schedule(due: Due): Timer {
    this.#due.add(due);
    return { cancel: () => void this.#due.delete(due) };
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#due.size;
  }

  /**
   * Moves time on, running each timer at its own moment; between timers, promises that are ready get their turn, so that a
   * timer set by awaited work is seen.
   */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    await settle();
    for (;;) {
      const next = this.#next(untilMs);
      if (!next) break;
      this.#nowMs = next.atMs;
      if (next.everyMs === undefined) this.#due.delete(next);
      else next.atMs += next.everyMs;
      next.work();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  #next(untilMs: number): Due | undefined {
    let best: Due | undefined;
    for (const due of this.#due) {
      if (due.atMs > untilMs) continue;
      if (!best || due.atMs < best.atMs || (due.atMs === best.atMs && due.order < best.order)) best = due;
    }
    return best;
  }
}

/** Lets everything that is ready to run do so: promise jobs and the loop's immediate queue, a few rounds. */
export async function settle(rounds = 8): Promise<void> {
  for (let i = 0; i < rounds; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
