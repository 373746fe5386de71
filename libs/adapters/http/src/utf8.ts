/** UTF-8 that comes in pieces, strictly: a character may be cut by the pieces, but not be wrong. */

import { isUtf8 } from 'node:buffer';

export class Utf8Pieces {
  #held: Buffer | undefined;

  /** The text that is complete so far; undefined where the bytes are not UTF-8. */
  feed(piece: Buffer): string | undefined {
    const bytes = this.#held ? Buffer.concat([this.#held, piece]) : piece;
    const cut = bytes.length - openTail(bytes);
    // A copy: the tail must not keep the whole piece alive.
    this.#held = cut === bytes.length ? undefined : Buffer.from(bytes.subarray(cut));
    const whole = cut === bytes.length ? bytes : bytes.subarray(0, cut);
    return isUtf8(whole) ? whole.toString() : undefined;
  }

  /** True where the last character has all its bytes. */
  get whole(): boolean {
    return this.#held === undefined;
  }
}

/** How many bytes at the end begin a character that is not complete: 0 to 3. */
function openTail(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    return bytesOf(byte) > back ? back : 0;
  }
  return 0;
}

/** True where the pieces together are UTF-8; nothing is copied but characters that the pieces cut. */
export function isUtf8Whole(pieces: readonly Buffer[]): boolean {
  let open: Buffer | undefined;
  for (const piece of pieces) {
    const missing = open ? missingOf(open) : 0;
    if (missing > piece.length) return isUtf8(Buffer.concat(pieces));
    if (open && !isUtf8(Buffer.concat([open, piece.subarray(0, missing)]))) return false;
    const end = piece.length - openTail(piece.subarray(missing));
    if (!isUtf8(piece.subarray(missing, end))) return false;
    open = end === piece.length ? undefined : piece.subarray(end);
  }
  return open === undefined;
}

/** The text of a whole body; what is no UTF-8 in it becomes replacement characters. */
export function textOf(pieces: readonly Buffer[]): string {
  const [first] = pieces;
  return pieces.length === 1 && first ? first.toString() : Buffer.concat(pieces).toString();
}

/** Bytes that a character which was cut still needs. */
function missingOf(open: Buffer): number {
  return bytesOf(open[0] ?? 0) - open.length;
}

function bytesOf(leadByte: number): number {
  return leadByte >= 0xf0 ? 4 : leadByte >= 0xe0 ? 3 : leadByte >= 0xc0 ? 2 : 1;
}
