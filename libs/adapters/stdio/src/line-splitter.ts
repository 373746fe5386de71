/** Bytes in, whole lines out: cut at line feeds before decoding, so a character split between two chunks is safe. */

const lineFeed = 10;
const carriageReturn = 13;

export class LineSplitter {
  #parts: Buffer[] = [];
  #bytes = 0;
  #overflowed = false;
  readonly #lineBytesMax: number;
  readonly #onLine: (line: string) => void;
  readonly #onOverflow: () => void;

  /** `onOverflow` is called once, on the first line over `lineBytesMax`; nothing is handed out after it. */
  constructor(lineBytesMax: number, onLine: (line: string) => void, onOverflow: () => void) {
    this.#lineBytesMax = lineBytesMax;
    this.#onLine = onLine;
    this.#onOverflow = onOverflow;
  }

  feed(chunk: Buffer): void {
    let from = 0;
    while (!this.#overflowed) {
      const end = chunk.indexOf(lineFeed, from);
      if (end < 0) break;
      this.#keep(chunk.subarray(from, end));
      this.#handOut();
      from = end + 1;
    }
    if (!this.#overflowed && from < chunk.length) this.#keep(chunk.subarray(from));
  }

  /** A last line that has no line feed is not a line: its writer died in the middle of it. */
  end(): void {
    this.#parts = [];
    this.#bytes = 0;
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#lineBytesMax) {
      this.#overflowed = true;
      this.end();
      this.#onOverflow();
      return;
    }
    this.#parts.push(part);
  }

  #handOut(): void {
    if (this.#overflowed) return;
    const [first] = this.#parts;
    const line = this.#parts.length === 1 && first ? first : Buffer.concat(this.#parts, this.#bytes);
    this.end();
    const end = line.length > 0 && line[line.length - 1] === carriageReturn ? line.length - 1 : line.length;
    // Bytes that are not UTF-8 become U+FFFD; whoever reads the line decides what that means.
    this.#onLine(line.toString('utf8', 0, end));
  }
}
