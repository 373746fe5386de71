/** What the bridge answers itself, in the words of Streamable HTTP. */

import { faultData, faultMessage, faultTable, type Fault } from '@cruvero/core';
import type { UpstreamResponse } from '@cruvero/ports';
import type { EventStream } from './event-stream.ts';

const noBody = { kind: 'text', text: '' } as const;

export function accepted(): UpstreamResponse {
  return { status: 202, headers: {}, body: noBody };
}

export function empty(status: number, headers: Readonly<Record<string, string>> = {}): UpstreamResponse {
  return { status, headers, body: noBody };
}

export function json(
  text: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): UpstreamResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: { kind: 'text', text },
  };
}

export function events(stream: EventStream): UpstreamResponse {
  const headers = {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  };
  return { status: 200, headers, body: { kind: 'stream', chunks: stream } };
}

/** The fault as a JSON-RPC error; `idText` is JSON. */
export function errorText(fault: Fault, idText: string, message = faultMessage(fault)): string {
  const { code } = faultTable[fault.fault];
  const data = faultData(fault);
  return `{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify({ code, message, ...(data ? { data } : {}) })}}`;
}

export function refusal(fault: Fault, idText = 'null', message?: string): UpstreamResponse {
  const headers: Record<string, string> =
    fault.fault === 'wrong_http_method'
      ? { allow: fault.allow }
      : fault.fault === 'overloaded'
        ? { 'retry-after': String(Math.ceil(fault.retryAfterMs / 1_000)) }
        : {};
  return json(errorText(fault, idText, message), faultTable[fault.fault].httpStatus, headers);
}
