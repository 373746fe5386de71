/** Finds the result in the bytes of a large answer, in one pass and without making text of them. */

/** Where the result stands in the message, and what it says at its top level. */
export interface ResultCut {
  /** Offset of the result's first byte, which is `{`. */
  readonly start: number;
  /** Offset behind its last byte. */
  readonly end: number;
  /** Names of its own members. */
  readonly names: ReadonlySet<string>;
  /** Its own `resultType`, undefined where it has none. */
  readonly type: string | undefined;
}

const resultHead = '{"result":';
const rpcHead = '{"jsonrpc":"2.0","id":';

/** A body as it came, in pieces cut anywhere; UTF-8 as a whole. */
export type Pieces = readonly Uint8Array[];

export function lengthOf(pieces: Pieces): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}

/** The pieces from `start` up to `end`; nothing is copied. */
export function slicePieces(pieces: Pieces, start: number, end: number): Pieces {
  const kept: Uint8Array[] = [];
  let offset = 0;
  for (const piece of pieces) {
    const from = Math.max(0, start - offset);
    const to = Math.min(piece.length, end - offset);
    if (from < to) kept.push(from === 0 && to === piece.length ? piece : piece.subarray(from, to));
    offset += piece.length;
  }
  return kept;
}

/**
 * Cuts the two spellings of an answer that servers really use, like `readUpstreamMessage`: strings and brackets are followed
 * to be sure that the result is one object with nothing beside it. Undefined for every other message, and where a name of the
 * result is spelled oddly or stands twice: whoever asked then reads it as text.
 */
export function cutResultBytes(pieces: Pieces, idText: string): ResultCut | undefined {
  const length = lengthOf(pieces);
  const tail = `,"jsonrpc":"2.0","id":${idText}}`;
  if (standsAt(pieces, 0, resultHead))
    return standsAt(pieces, length - tail.length, tail)
      ? new ObjectScan(pieces, resultHead.length, length - tail.length).cut()
      : undefined;
  const head = `${rpcHead}${idText},"result":`;
  return standsAt(pieces, 0, head) && standsAt(pieces, length - 1, '}')
    ? new ObjectScan(pieces, head.length, length - 1).cut()
    : undefined;
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/** For the few bytes that are looked at one by one; the loop over all of them goes piece by piece. */
function byteAt(pieces: Pieces, at: number): number | undefined {
  let offset = at;
  for (const piece of pieces) {
    if (offset < piece.length) return piece[offset];
    offset -= piece.length;
  }
  return undefined;
}

function standsAt(pieces: Pieces, at: number, ascii: string): boolean {
  if (at < 0) return false;
  for (let i = 0; i < ascii.length; i += 1) if (byteAt(pieces, at + i) !== ascii.charCodeAt(i)) return false;
  return true;
}

/** Follows the object that begins at `start`, and wants it to end exactly at `end`. */
class ObjectScan {
  readonly #pieces: Pieces;
  readonly #start: number;
  readonly #end: number;
  readonly #names = new Set<string>();
  #type: string | undefined;
  #depth = 0;
  #nameIsNext = false;
  /** Offset behind the quote of the string that is open, -1 where none is. */
  #stringFrom = -1;
  /** The last byte was a backslash, at the end of its piece. */
  #escaped = false;
  #endedAt = -1;
  #isOdd = false;

  constructor(pieces: Pieces, start: number, end: number) {
    this.#pieces = pieces;
    this.#start = start;
    this.#end = end;
  }

  cut(): ResultCut | undefined {
    if (byteAt(this.#pieces, this.#start) !== openBrace) return undefined;
    let offset = 0;
    for (const piece of this.#pieces) {
      const from = Math.max(0, this.#start - offset);
      const to = Math.min(piece.length, this.#end - offset);
      if (from < to) this.#scan(piece, from, to, offset);
      if (this.#isOdd || this.#endedAt >= 0) break;
      offset += piece.length;
    }
    if (this.#isOdd || this.#endedAt !== this.#end) return undefined;
    return {
      start: this.#start,
      end: this.#end,
      names: this.#names,
      type: this.#type,
    };
  }

  #scan(piece: Uint8Array, from: number, to: number, offset: number): void {
    let at = from;
    if (this.#stringFrom >= 0) {
      at = this.#skip(piece, from + (this.#escaped ? 1 : 0), to, offset);
      if (at >= to) return;
    }
    for (; at < to; at += 1) {
      const byte = piece[at];
      if (byte === quote) {
        this.#stringFrom = offset + at + 1;
        at = this.#skip(piece, at + 1, to, offset) - 1;
        if (this.#isOdd) return;
      } else if (byte === openBrace || byte === openBracket) {
        this.#depth += 1;
        if (this.#depth === 1) this.#nameIsNext = true;
      } else if (byte === closeBrace || byte === closeBracket) {
        this.#depth -= 1;
        if (this.#depth > 0) continue;
        this.#endedAt = offset + at + 1;
        return;
      } else if (byte === comma && this.#depth === 1) this.#nameIsNext = true;
    }
  }

  /** Where to go on behind the open string; `to` where it goes on in the next piece. */
  #skip(piece: Uint8Array, from: number, to: number, offset: number): number {
    const quoteAt = closingQuote(piece, from, to);
    this.#escaped = quoteAt > to;
    if (quoteAt >= to) return to;
    this.#ended(offset + quoteAt);
    return quoteAt + 1;
  }

  #ended(quoteAt: number): void {
    const from = this.#stringFrom;
    this.#stringFrom = -1;
    if (this.#depth !== 1 || !this.#nameIsNext) return;
    this.#nameIsNext = false;
    const name = plainText(this.#pieces, from, quoteAt);
    if (name === undefined || this.#names.has(name)) this.#isOdd = true;
    else this.#names.add(name);
    if (name === 'resultType') this.#type = stringBehind(this.#pieces, quoteAt + 1, this.#end);
  }
}

/**
 * The first quote that no backslash stands before; `to` where there is none, `to + 1` where the last byte is a backslash that
 * belongs to what comes next. Nearly all bytes of a large result pass here: a loop with nothing else in it is twice as fast.
 */
function closingQuote(piece: Uint8Array, from: number, to: number): number {
  let at = from;
  for (; at < to; at += 1) {
    const byte = piece[at];
    if (byte === quote) return at;
    if (byte === backslash) at += 1;
  }
  return at;
}

/** Longer names than any of the protocol's are read as text instead. */
const nameBytesMax = 64;

function plainText(pieces: Pieces, from: number, to: number): string | undefined {
  if (to - from > nameBytesMax) return undefined;
  let text = '';
  for (let at = from; at < to; at += 1) {
    const byte = byteAt(pieces, at) ?? 0;
    if (byte < 0x20 || byte > 0x7e || byte === backslash) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** The string that is the value of the name which ended before `from`; an empty text for any other value. */
function stringBehind(pieces: Pieces, from: number, end: number): string {
  let at = from;
  for (; at < end; at += 1) {
    const byte = byteAt(pieces, at);
    if (!isSpace(byte) && byte !== colon) break;
  }
  if (byteAt(pieces, at) !== quote) return '';
  let to = at + 1;
  while (to < end && to - at <= nameBytesMax && byteAt(pieces, to) !== quote) to += 1;
  return byteAt(pieces, to) === quote ? (plainText(pieces, at + 1, to) ?? '') : '';
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
