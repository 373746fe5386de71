/** Puts replies and faults on the wire, in the form in which the caller asked. */

import type { ServerResponse } from 'node:http';
import {
  faultData,
  faultMessage,
  faultTable,
  lengthOf,
  type Era,
  type Fault,
  type Pieces,
  type Reply,
} from '@cruvero/core';

/** JSON-RPC error object for a fault. */
export function faultText(fault: Fault): string {
  const data = faultData(fault);
  const error = {
    code: faultTable[fault.fault].code,
    message: faultMessage(fault),
    ...(data === undefined ? {} : { data }),
  };
  return JSON.stringify(error);
}

export function errorMessage(idText: string, errorText: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"error":${errorText}}`;
}
export function resultMessage(idText: string, resultText: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"result":${resultText}}`;
}

/**
 * Faults about one call among many are answered inside JSON-RPC with HTTP 200: the transport did its work, and clients that see
 * a 5xx drop the whole connection.
 */
const insideJsonRpc: ReadonlySet<string> = new Set([
  'unknown_tool',
  'unknown_resource',
  'upstream_unavailable',
  'upstream_timeout',
  'upstream_broken',
  'upstream_too_large',
  'credential_unavailable',
]);

export function mcpStatus(fault: Fault, era: Era | undefined): number {
  if (insideJsonRpc.has(fault.fault)) return 200;
  // A legacy client learns of an unknown method inside JSON-RPC; 404 would tell it that its session is gone.
  if (fault.fault === 'unknown_method' && era !== 'modern') return 200;
  if (fault.fault === 'bad_params' && era === 'legacy') return 200;
  return faultTable[fault.fault].httpStatus;
}

/** HTTP status of an error that came from a server (MCP 2026-07-28, Streamable HTTP, "Error handling"). */
export function replyStatus(reply: Reply, era: Era): number {
  if (reply.kind === 'result' || era === 'legacy') return 200;
  if (reply.code === -32601) return 404;
  return reply.code === -32020 || reply.code === -32021 || reply.code === -32022 ? 400 : 200;
}

export function sendJson(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(text);
}

/** The pieces go as they are, with the envelope before and behind them: a large result is copied nowhere. */
export function sendResult(response: ServerResponse, status: number, idText: string, result: Pieces): void {
  if (response.headersSent || response.destroyed) return;
  const head = Buffer.from(`{"jsonrpc":"2.0","id":${idText},"result":`);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': head.length + lengthOf(result) + 1,
    'cache-control': 'no-store',
  });
  // One write for all of them.
  response.cork();
  response.write(head);
  for (const piece of result) response.write(piece);
  response.end('}');
  response.uncork();
}

/** A fault outside of any call: the id is not known, or there is none. */
export function sendFault(response: ServerResponse, fault: Fault, idText = 'null', era?: Era): void {
  const status = mcpStatus(fault, era);
  sendJson(response, status, errorMessage(idText, faultText(fault)), faultHeaders(fault));
}

/** Headers that belong to the fault. */
export function faultHeaders(fault: Fault): Record<string, string> {
  if (fault.fault === 'unauthenticated') return { 'www-authenticate': 'Bearer realm="cruvero-mcp"' };
  if (fault.fault === 'wrong_http_method') return { allow: fault.allow };
  if (fault.fault === 'rate_limited' || fault.fault === 'overloaded') {
    return { 'retry-after': String(Math.max(1, Math.ceil(fault.retryAfterMs / 1_000))) };
  }
  return {};
}

export const sseHeaders = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
} as const;
