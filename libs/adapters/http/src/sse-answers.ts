/**
 * Answers that the HTTP+SSE adapter makes itself, in the shape of Streamable HTTP, and what it reads of a
 * message.
 */

import { isJsonObject, parseJsonObject, type Json, type JsonObject } from '@cruvero/core';
import type { UpstreamResponse } from '@cruvero/ports';

export const sessionHeader = 'mcp-session-id';

export function textAnswer(status: number, text: string, contentType?: string): UpstreamResponse {
  return {
    status,
    headers: contentType === undefined ? {} : { 'content-type': contentType },
    body: { kind: 'text', text },
  };
}

export const jsonAnswer = (text: string): UpstreamResponse => textAnswer(200, text, 'application/json');

export function streamAnswer(chunks: AsyncIterable<string>): UpstreamResponse {
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: { kind: 'stream', chunks } };
}

/** What the transport has to know of a message; everything else is passed on as it came. */
export interface MessageFace {
  readonly method: string | undefined;
  /** The id as JSON text, so that `1` and `"1"` differ. */
  readonly idText: string | undefined;
  /** Of a request's `_meta`, or of a progress notification's params; as JSON text. */
  readonly progressText: string | undefined;
  /** Of the request that `notifications/cancelled` takes back; as JSON text. */
  readonly cancelledText: string | undefined;
}

/** Undefined where the text is not a JSON object. */
export function messageFace(text: string): MessageFace | undefined {
  const message = parseJsonObject(text);
  if (!message) return undefined;
  const method = typeof message['method'] === 'string' ? message['method'] : undefined;
  const params = isJsonObject(message['params']) ? message['params'] : {};
  return {
    method,
    idText: keyOf(message['id']),
    progressText: keyOf(progressToken(method, params)),
    cancelledText: method === 'notifications/cancelled' ? keyOf(params['requestId']) : undefined,
  };
}

function progressToken(method: string | undefined, params: JsonObject): Json | undefined {
  if (method === 'notifications/progress') return params['progressToken'];
  const meta = params['_meta'];
  return isJsonObject(meta) ? meta['progressToken'] : undefined;
}

const keyOf = (value: Json | undefined): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? JSON.stringify(value) : undefined;

/** The headers of the caller without the ones that belong to Streamable HTTP or to another method. */
export function headersFor(
  method: 'GET' | 'POST',
  headers: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const own: Record<string, string> = { ...headers };
  delete own[sessionHeader];
  delete own['content-length'];
  if (method === 'GET') delete own['content-type'];
  own['accept'] = method === 'GET' ? 'text/event-stream' : 'application/json';
  return own;
}
