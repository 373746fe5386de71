/** Counts the bytes of the event that is under way in a server-sent event stream, without reading it. */

const lf = 10;
const cr = 13;

const isLineEnd = (byte: number | undefined): boolean => byte === lf || byte === cr;
/** Two line ends in a row end an event; CR and LF together are one. */
const isBlankLine = (a: number | undefined, b: number | undefined): boolean =>
  isLineEnd(a) && isLineEnd(b) && !(a === cr && b === lf);

export class EventBound {
  #bytes = 0;
  #last: number | undefined;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * False once an event has grown over the bound. Exact to one piece: the SSE parser counts to the letter.
   */
  take(piece: Buffer): boolean {
    const end = lastBlankLine(piece, this.#last);
    this.#bytes = end < 0 ? this.#bytes + piece.length : piece.length - end;
    this.#last = piece[piece.length - 1] ?? this.#last;
    return this.#bytes <= this.#bytesMax;
  }
}

/**
 * Index behind the last blank line, or -1. Only the part before the last line end is walked: long lines cost
 * nothing.
 */
function lastBlankLine(piece: Buffer, before: number | undefined): number {
  for (let at = Math.max(piece.lastIndexOf(lf), piece.lastIndexOf(cr)); at >= 0; at -= 1) {
    if (isBlankLine(at === 0 ? before : piece[at - 1], piece[at])) return at + 1;
  }
  return -1;
}
