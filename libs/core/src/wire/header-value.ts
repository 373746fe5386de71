/** Values of `Mcp-Name` and `Mcp-Param-*` headers (MCP 2026-07-28, Streamable HTTP, "Mirror headers"; SEP-2243). */

import { fromBase64, toBase64 } from './base64.ts';

const mark = '=?base64?';
const end = '?=';
const plain = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;

const looksEncoded = (value: string): boolean => value.startsWith(mark) && value.endsWith(end);

/** As it is where that is safe in a header, otherwise `=?base64?…?=`. */
export function encodeHeaderValue(value: string): string {
  return plain.test(value) && !looksEncoded(value) ? value : `${mark}${toBase64(value)}${end}`;
}

/** Undefined where the header holds characters or base64 that a sender must not use. */
export function decodeHeaderValue(header: string): string | undefined {
  const value = withoutSpaceAround(header);
  if (looksEncoded(value)) {
    // In `=?base64?=` mark and end share a letter: neither plain nor encoded.
    return value.length < mark.length + end.length
      ? undefined
      : fromBase64(value.slice(mark.length, -end.length));
  }
  return plain.test(value) || value === '' ? value : undefined;
}

/** Optional white space of HTTP, and no other; a regular expression would take quadratic time for much space inside. */
function withoutSpaceAround(header: string): string {
  let from = 0;
  let to = header.length;
  while (from < to && isSpace(header.charCodeAt(from))) from += 1;
  while (to > from && isSpace(header.charCodeAt(to - 1))) to -= 1;
  return header.slice(from, to);
}

function isSpace(code: number): boolean {
  return code === 32 || code === 9;
}
