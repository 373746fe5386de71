/** The request headers that this gateway reads, each once; what was sent twice is refused where it decides something. */

import type { IncomingMessage } from 'node:http';
import type { EraHeaders, Fault } from '@cruvero/core';
import type { TraceContext } from '@cruvero/ports';
import type { Presented } from '../authn.ts';

function one(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

/** Node joins or drops repeated headers; two different values of these would be two different requests. */
const decisive: readonly string[] = [
  'authorization',
  'x-api-key',
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
];

export function repeatedHeader(request: IncomingMessage): Fault | undefined {
  // Every header that Node saw once stands once in rawHeaders; the walk is needed only if some name is repeated.
  if (request.rawHeaders.length === 2 * Object.keys(request.headers).length) return undefined;
  for (const name of decisive) {
    if (count(request.rawHeaders, name) > 1) {
      return { fault: 'bad_request', detail: `The header ${name} was sent more than once; send it once.` };
    }
  }
  return undefined;
}

function count(rawHeaders: readonly string[], name: string): number {
  let found = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]?.toLowerCase() === name) found += 1;
  return found;
}

export function eraHeaders(request: IncomingMessage): EraHeaders {
  return {
    protocolVersion: one(request, 'mcp-protocol-version'),
    mcpMethod: one(request, 'mcp-method'),
    mcpName: one(request, 'mcp-name'),
  };
}

export function presented(request: IncomingMessage): Presented {
  return { authorization: one(request, 'authorization'), apiKey: one(request, 'x-api-key') };
}

export function sessionIdOf(request: IncomingMessage): string | undefined {
  return one(request, 'mcp-session-id');
}

/** `_meta` is preferred by the caller of this; headers are what proxies set. */
export function traceOf(request: IncomingMessage): TraceContext | undefined {
  const traceparent = one(request, 'traceparent');
  if (traceparent === undefined) return undefined;
  const tracestate = one(request, 'tracestate');
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

/** Of a client that comes back after its connection broke. */
export function lastEventIdOf(request: IncomingMessage): string | undefined {
  return one(request, 'last-event-id');
}

const paramPrefix = 'mcp-param-';
const paramHeadersMax = 256;

/** `Mcp-Param-*` by lower-case name, as they came. */
export function paramHeadersOf(request: IncomingMessage): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  let count = 0;
  for (const name in request.headers) {
    if (!name.startsWith(paramPrefix)) continue;
    const value = request.headers[name];
    if (typeof value === 'string' && (count += 1) <= paramHeadersMax) found[name] = value;
  }
  return found;
}
