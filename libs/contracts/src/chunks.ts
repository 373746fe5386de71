/** A configuration that does not fit in one message: cut into parts for the bucket, and the keys of its parts; `readConfigBody` joins them. */

import type { GatewayId } from '@cruvero/core';
import type { ConfigScope } from './subjects.ts';

/** Larger bodies go through the bucket. NATS takes 1 MiB a message; the rest is room for envelopes. */
export const chunkBytesMax = 512 * 1_024;

/**
 * Parts stand in a ring of this many places a gateway and scope, so the bucket stays bounded without a sweeper. A gateway
 * that reads so late that its place was used again sees it by the digest and asks anew.
 */
const ringPlaces = 8;

/** Bytes of one UTF-16 unit in UTF-8; a surrogate counts 2, so that a pair makes 4. */
function bytesOf(unit: number): number {
  if (unit < 0x80) return 1;
  if (unit < 0x800) return 2;
  return unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** Bytes of the text in UTF-8. JSON.stringify writes lone surrogates as escapes, so none are met here. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let at = 0; at < text.length; at += 1) bytes += bytesOf(text.charCodeAt(at));
  return bytes;
}

/** Parts of at most `bytesMax` bytes (at least 4) that join to `text`; no character is cut in two. */
export function splitChunks(text: string, bytesMax = chunkBytesMax): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let bytes = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    const pair = isHighSurrogate(unit) && at + 1 < text.length;
    const wide = pair ? 4 : bytesOf(unit);
    if (bytes + wide > bytesMax) {
      parts.push(text.slice(start, at));
      start = at;
      bytes = 0;
    }
    bytes += wide;
    if (pair) at += 1;
  }
  parts.push(text.slice(start));
  return parts;
}

/** Key of each part in `configBucket`. */
export function chunkKeys(
  gatewayId: GatewayId,
  scope: ConfigScope,
  version: number,
  count: number,
): readonly string[] {
  return Array.from({ length: count }, (_, part) => `${gatewayId}.${scope}.${version % ringPlaces}.${part}`);
}
