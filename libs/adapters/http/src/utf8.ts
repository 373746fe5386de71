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
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? back : 0;
  }
  return 0;
}

/** The text of a whole body; undefined where the bytes are not UTF-8. */
export function utf8Text(pieces: readonly Buffer[], bytes: number): string | undefined {
  const [first] = pieces;
  if (!first) return '';
  const whole = pieces.length === 1 ? first : Buffer.concat(pieces, bytes);
  return isUtf8(whole) ? whole.toString() : undefined;
}
