/** Waiting for what others bring about: woken when something happened, within a bound. */

export const withinMsUsual = 5_000;

export class Notice {
  readonly #waiting = new Set<() => void>();

  /** Something happened: everybody who waits looks again. */
  tell(): void {
    for (const look of [...this.#waiting]) look();
  }

  /** The first value that is neither undefined nor false. @throws with `what` when none comes in time. */
  async until<T>(
    what: string | (() => string),
    look: () => T,
    withinMs = withinMsUsual,
  ): Promise<Exclude<T, undefined | false>> {
    const { promise, resolve, reject } = Promise.withResolvers<Exclude<T, undefined | false>>();
    const late = (): void => {
      const said = typeof what === 'string' ? what : what();
      reject(new Error(`not within ${withinMs} ms: ${said}`));
    };
    const timer = setTimeout(late, withinMs);
    const lookAgain = (): void => {
      try {
        const found = look();
        if (found !== undefined && found !== false) resolve(found as Exclude<T, undefined | false>);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    this.#waiting.add(lookAgain);
    lookAgain();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(lookAgain);
    }
  }
}
