/** The server without a port: the gateway of the same process reaches it at `inproc://code-exec/…`. */

import type { McpHttpHandler } from '@modelcontextprotocol/server';
import {
  UpstreamBroken,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';

const origin = 'http://code-exec.internal/mcp';

export function inprocUpstream(mcp: Pick<McpHttpHandler, 'fetch'>): Upstream {
  return {
    exchange: (request) => exchange(mcp, request),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function exchange(
  mcp: Pick<McpHttpHandler, 'fetch'>,
  { httpMethod, headers, body, signal, bytesMax }: UpstreamRequest,
): Promise<UpstreamResponse | UpstreamFault> {
  if (signal.aborted) return { fault: 'aborted', detail: 'the caller went away', neverLeft: true };
  try {
    const response = await mcp.fetch(
      new Request(origin, {
        method: httpMethod,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...acceptOf(headers),
          ...headers,
        },
        signal,
        ...(body === undefined ? {} : { body }),
      }),
    );
    return await readResponse(response, bytesMax, signal);
  } catch (error) {
    if (signal.aborted) return { fault: 'aborted', detail: 'the caller went away', neverLeft: false };
    return {
      fault: 'broken',
      detail: error instanceof Error ? error.message : String(error),
      neverLeft: false,
    };
  }
}

const acceptOf = (headers: UpstreamRequest['headers']) =>
  headers['accept'] === undefined ? { accept: 'application/json, text/event-stream' } : {};

async function readResponse(
  response: Response,
  bytesMax: number,
  signal: AbortSignal,
): Promise<UpstreamResponse | UpstreamFault> {
  const headers = Object.fromEntries(response.headers);
  const isStream = /^text\/event-stream\b/.test(headers['content-type'] ?? '');
  if (isStream && response.body) {
    return {
      status: response.status,
      headers,
      body: { kind: 'stream', chunks: chunksOf(response.body, signal) },
    };
  }
  const text = await response.text();
  if (Buffer.byteLength(text) > bytesMax)
    return { fault: 'too_large', detail: `the answer is larger than ${bytesMax} bytes`, neverLeft: false };
  return { status: response.status, headers, body: { kind: 'text', text } };
}

async function* chunksOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const stop = (): void => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read())
      yield decoder.decode(piece.value, { stream: true });
    if (signal.aborted) throw new UpstreamBroken('the caller went away');
  } catch (error) {
    throw error instanceof UpstreamBroken ? error : new UpstreamBroken('the stream broke', { cause: error });
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
