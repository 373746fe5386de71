/** W3C Trace Context as text: what comes in is checked, what goes out is always version 00. */

import type { TraceContext } from '@cruvero/ports';

export interface ParsedTraceparent {
  readonly traceId: string;
  readonly spanId: string;
  /** Only the bits that version 00 knows: 1 sampled, 2 random. */
  readonly flags: number;
}

const shape = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const tracestateCharsMax = 512;
const tracestateMembersMax = 32;
/** A member: key, `=`, printable ASCII without comma and equals sign. */
const member = /^[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}$/;

const zeroes = '0'.repeat(32);

/** An id of zeroes only is invalid. */
export function isZero(id: string): boolean {
  return id.startsWith('0000') && zeroes.startsWith(id);
}

/** Undefined for what is no valid parent; a new trace is begun then. */
export function parseTraceparent(text: string): ParsedTraceparent | undefined {
  // a version of the future may be longer, but begins the same way
  if (text.length > 256) return undefined;
  const [, version, traceId, spanId, flags, rest] = shape.exec(text) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined)
    return undefined;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (isZero(traceId) || isZero(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & 3 };
}

/** The tracestate where it may be passed on, undefined where it is absent, malformed or too long. */
export function validTracestate(text: string | undefined): string | undefined {
  if (text === undefined || text.length > tracestateCharsMax) return undefined;
  const members = text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
  if (members.length === 0 || members.length > tracestateMembersMax) return undefined;
  return members.every((one) => member.test(one)) ? members.join(',') : undefined;
}

/** The context as it travels. */
export function traceContext(ids: ParsedTraceparent, tracestate: string | undefined): TraceContext {
  const traceparent = `00-${ids.traceId}-${ids.spanId}-${ids.flags.toString(16).padStart(2, '0')}`;
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}
