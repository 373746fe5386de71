/** Text that must not be seen: every way of printing it gives `[secret]`. Core's own, for what adapters and services hand on. */

const shown = '[secret]';

export class SecretText {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself; hand it on at once, keep no copy. */
  reveal(): string {
    return this.#text;
  }

  equals(other: SecretText): boolean {
    return this.#text === other.#text;
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

  /** What Node prints, in logs and in messages of failed assertions. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return shown;
  }
}

/** What a secret consists of: `token`, or `username` and `password`. */
export type SecretFields = ReadonlyMap<string, SecretText>;

export function sameFields(a: SecretFields, b: SecretFields): boolean {
  if (a.size !== b.size) return false;
  for (const [name, text] of a) {
    const other = b.get(name);
    if (other === undefined || !text.equals(other)) return false;
  }
  return true;
}
