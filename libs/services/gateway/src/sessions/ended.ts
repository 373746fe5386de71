/** Remembers which sessions ended, so that their ids do not bring them back; bounded, the oldest are forgotten. */

import type { Clock } from '@cruvero/ports';

const endedMax = 100_000;

export class Ended {
  readonly #atMs = new Map<string, number>();
  readonly #clock: Clock;
  readonly #ageMs: number;

  /** Nothing is remembered longer than `ageMs`: by then the ids are too old anyway. */
  constructor(clock: Clock, ageMs: number) {
    this.#clock = clock;
    this.#ageMs = ageMs;
  }

  has(uid: string): boolean {
    return this.#atMs.has(uid);
  }

  add(uid: string): void {
    this.#atMs.delete(uid);
    this.#atMs.set(uid, this.#clock.nowMs());
    if (this.#atMs.size <= endedMax) return;
    const oldest = this.#atMs.keys().next();
    if (oldest.done !== true) this.#atMs.delete(oldest.value);
  }

  sweep(): void {
    const untilMs = this.#clock.nowMs() - this.#ageMs;
    for (const [uid, atMs] of this.#atMs) {
      if (atMs > untilMs) return;
      this.#atMs.delete(uid);
    }
  }
}
