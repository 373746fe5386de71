/** Traces without an exporter: valid ids and faithful propagation, nothing recorded, next to no cost. */

import { randomFillSync } from 'node:crypto';

import type { Span, Tracer } from '@cruvero/ports';

import { isZero, parseTraceparent, traceContext, validTracestate } from './trace-context.ts';

/** Random bytes are fetched in batches: one system call for hundreds of spans. */
const pool = Buffer.alloc(4_096);
let used = pool.length;

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const hex = pool.toString('hex', used, used + bytes);
  used += bytes;
  // an id of zeroes only is invalid
  return isZero(hex) ? randomHex(bytes) : hex;
}

/**
 * A new trace is marked as not sampled, as W3C asks of one who records nothing; the mark of a valid parent is
 * passed on unchanged.
 */
export const lightTracer: Tracer = {
  start(_name, parent) {
    const from = parent && parseTraceparent(parent.traceparent);
    const traceId = from?.traceId ?? randomHex(16);
    const ids = { traceId, spanId: randomHex(8), flags: from?.flags ?? 0 };
    return new LightSpan(traceId, traceContext(ids, from && validTracestate(parent?.tracestate)));
  },
};

class LightSpan implements Span {
  readonly traceId: string;
  readonly context: Span['context'];

  constructor(traceId: string, context: Span['context']) {
    this.traceId = traceId;
    this.context = context;
  }

  set(): void {
    // nothing is recorded
  }

  fail(): void {
    // nothing is recorded
  }

  end(): void {
    // nothing is recorded
  }
}
