/** A value that must not be seen: every way of printing it gives `[secret]`. */

import { inspect } from 'node:util';

const shown = '[secret]';

/** Holds a secret from the environment. Only `reveal()` gives it, so that a search finds every use. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The secret itself; hand it on at once, keep no copy. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return shown;
  }

  toJSON(): string {
    return shown;
  }

  [Symbol.toPrimitive](): string {
    return shown;
  }

  [inspect.custom](): string {
    return shown;
  }
}
