/** What a child says on stderr, as log lines: whole lines, cut where long, so many a second, secrets of its own taken out. */

const lineCharsMax = 2_000;
const restCharsMax = 64 << 10;
const secretName = /secret|token|key|passw|pwd|auth|cred|dsn|_url$/i;

export class ChildLines {
  readonly #write: (line: string) => void;
  readonly #linesPerSecondMax: number;
  readonly #secrets: readonly string[];
  #rest = '';
  #windowMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #dropped = 0;

  /** `env` is what the child was given: values of variables that are or sound secret are never written. */
  constructor(
    write: (line: string) => void,
    linesPerSecondMax: number,
    env: Readonly<Record<string, string>>,
    secretNames: readonly string[] = [],
  ) {
    this.#write = write;
    this.#linesPerSecondMax = linesPerSecondMax;
    // Lines of a key are said one by one; the longer secret first, for a shorter one may be its beginning.
    this.#secrets = Object.entries(env)
      .filter(([name]) => secretNames.includes(name) || secretName.test(name))
      .flatMap(([, value]) => value.split(/[\r\n]+/))
      .filter((value) => value.length >= 4)
      .toSorted((a, b) => b.length - a.length);
  }

  feed(piece: string, nowMs: number): void {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.line(line, nowMs);
    if (this.#rest.length > restCharsMax) {
      this.line(this.#rest, nowMs);
      this.#rest = '';
    }
  }

  line(line: string, nowMs: number): void {
    if (line.trim() === '') return;
    if (nowMs - this.#windowMs >= 1_000) this.#turn(nowMs);
    if (this.#written >= this.#linesPerSecondMax) {
      this.#dropped += 1;
      return;
    }
    this.#written += 1;
    this.#write(this.#clean(line));
  }

  /** What is left of a last line, and how many were dropped. */
  flush(nowMs: number): void {
    const rest = this.#rest;
    this.#rest = '';
    this.line(rest, nowMs);
    this.#tellDropped();
  }

  #turn(nowMs: number): void {
    this.#windowMs = nowMs;
    this.#written = 0;
    this.#tellDropped();
  }

  #tellDropped(): void {
    if (this.#dropped > 0) this.#write(`dropped ${this.#dropped} lines`);
    this.#dropped = 0;
  }

  #clean(line: string): string {
    // Before the cut, which could leave a part of a secret.
    let text = line;
    for (const secret of this.#secrets) text = text.replaceAll(secret, '***');
    return text.length > lineCharsMax ? `${text.slice(0, lineCharsMax)}… (${text.length} characters)` : text;
  }
}
