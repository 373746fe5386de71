/** The trace goes along twice: proxies read headers, servers behind stdio read `_meta`. */

import type { Ask } from './ask.ts';

export function traceHeaders(ask: Ask): Record<string, string> {
  const { traceparent, tracestate } = ask.metaChanges;
  if (traceparent === undefined) return {};
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}
