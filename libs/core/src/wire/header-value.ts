/** Values of `Mcp-Name` and `Mcp-Param-*` headers (MCP 2026-07-28, Streamable HTTP, "Mirror headers"; SEP-2243). */

import { fromBase64, toBase64 } from './base64.ts';

const sentinel = /^=\?base64\?([^?]*)\?=$/;
const plain = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;

/** As it is where that is safe in a header, otherwise `=?base64?…?=`. */
export function encodeHeaderValue(value: string): string {
  return plain.test(value) && !sentinel.test(value) ? value : `=?base64?${toBase64(value)}?=`;
}

/** Undefined where the header holds characters or base64 that a sender must not use. */
export function decodeHeaderValue(header: string): string | undefined {
  const value = header.replace(/^[ \t]+|[ \t]+$/g, '');
  const encoded = sentinel.exec(value);
  if (encoded) return fromBase64(encoded[1] ?? '');
  return plain.test(value) || value === '' ? value : undefined;
}
