/** Asks that were answered already: each counts once within the time in which it counts at all. */

const perAskerMax = 20_000;

export class NonceBook {
  readonly #windowMs: number;
  /** Asker → nonce → when it may be forgotten; in the order in which they came. */
  readonly #seen = new Map<string, Map<string, number>>();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** `fresh` is written down; `late` and `again` must not be answered; `full` asks too much. */
  judge(asker: string, nonce: string, atMs: number, nowMs: number): 'fresh' | 'late' | 'again' | 'full' {
    if (Math.abs(nowMs - atMs) > this.#windowMs) return 'late';
    const seen = this.#seen.get(asker) ?? new Map<string, number>();
    this.#seen.set(asker, seen);
    for (const [old, untilMs] of seen) {
      if (untilMs >= nowMs) break;
      seen.delete(old);
    }
    if (seen.has(nonce)) return 'again';
    if (seen.size >= perAskerMax) return 'full';
    // An ask may come from a clock that is ahead: it counts until that one's window is over.
    seen.set(nonce, nowMs + 2 * this.#windowMs);
    return 'fresh';
  }
}
