/** `POST|GET|DELETE /servers/<server>/<instance>/mcp`: the exchanges of the bridge, over HTTP. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostAllowed, originAllowed, soleHeader } from '@cruvero/chassis';
import type { Fault } from '@cruvero/core';
import {
  isUpstreamFault,
  type Clock,
  type HttpHandler,
  type Upstream,
  type UpstreamFault,
  type UpstreamResponse,
} from '@cruvero/ports';
import { refusal } from './answers.ts';

export interface FrontOptions {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** Whether the listener is bound to loopback only; asked for at each request, when it is bound. */
  readonly loopback: () => boolean;
  readonly bodyBytesMax: number;
  readonly answerBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly streamAgeMs: number;
}

const path = /^\/servers\/([a-z0-9][a-z0-9_-]{0,62})\/([A-Za-z0-9][A-Za-z0-9._:-]{0,127})\/mcp$/;
const keepAliveMs = 15_000;
const forwarded = [
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'traceparent',
  'tracestate',
];

export function httpFront(options: FrontOptions): HttpHandler {
  return (request, response) => {
    response.on('error', () => undefined);
    serve(request, response, options).catch(() => response.destroy());
  };
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: FrontOptions,
): Promise<void> {
  const target = check(request, options);
  if ('status' in target) return refuse(request, response, target);
  const body = target.httpMethod === 'POST' ? await readBody(request, options.bodyBytesMax) : undefined;
  if (body === 'gone') return;
  if (body === 'too_large')
    return refuse(request, response, refusal({ fault: 'body_too_large', bytesMax: options.bodyBytesMax }));
  const aborter = new AbortController();
  const age = options.clock.after(options.streamAgeMs, () => aborter.abort());
  response.once('close', () => {
    age.cancel();
    aborter.abort();
  });
  const answer = await options.upstream.exchange({
    ...target,
    headers: headersOf(request),
    ...(body === undefined ? {} : { body }),
    signal: aborter.signal,
    timeoutMs: options.requestTimeoutMs,
    bytesMax: options.answerBytesMax,
  });
  await send(response, isUpstreamFault(answer) ? faulty(answer) : answer, options.clock);
}

interface Target {
  readonly httpMethod: 'POST' | 'GET' | 'DELETE';
  readonly endpoint: string;
}

/** Who asks, for what, and how: cheapest and strictest first, before a byte of the body is read. */
function check(request: IncomingMessage, options: FrontOptions): Target | UpstreamResponse {
  const host = soleHeader(request.rawHeaders, 'host');
  const ownAddress = request.socket.localAddress;
  const { allowedHosts, allowedOrigins } = options;
  const loopback = options.loopback();
  const allowed = { names: allowedHosts, loopback, ...(ownAddress === undefined ? {} : { ownAddress }) };
  if (!hostAllowed(host, allowed)) {
    const message =
      'This bridge does not answer to that Host header; see CRUVERO_STDIO_BRIDGE_ALLOWED_HOSTS.';
    return refusal({ fault: 'wrong_host', host: '' }, 'null', message);
  }
  if (!originAllowed(soleHeader(request.rawHeaders, 'origin'), { names: allowedOrigins, loopback })) {
    const message =
      'Pages of that Origin may not call this bridge; see CRUVERO_STDIO_BRIDGE_ALLOWED_ORIGINS.';
    return refusal({ fault: 'wrong_origin', origin: '' }, 'null', message);
  }
  const [, server, instance] = path.exec((request.url ?? '').replace(/[?#].*$/s, '')) ?? [];
  if (server === undefined || instance === undefined) {
    const message = 'Nothing is served here; servers are at /servers/<server>/<instance>/mcp.';
    return refusal({ fault: 'no_such_path', path: '' }, 'null', message);
  }
  const { method } = request;
  if (method !== 'POST' && method !== 'GET' && method !== 'DELETE') {
    return refusal({ fault: 'wrong_http_method', allow: 'GET, POST, DELETE' });
  }
  const fault = wrongTypes(method, request);
  return fault ? refusal(fault) : { httpMethod: method, endpoint: `inproc://${server}/${instance}` };
}

function wrongTypes(method: Target['httpMethod'], request: IncomingMessage): Fault | undefined {
  const type = request.headers['content-type'] ?? '';
  if (method === 'POST' && !/^application\/json[ \t]*(?:;|$)/i.test(type)) {
    return { fault: 'wrong_content_type', got: type.slice(0, 128) };
  }
  const accept = request.headers.accept ?? '*/*';
  const needed =
    method === 'POST'
      ? ['application/json', 'text/event-stream']
      : method === 'GET'
        ? ['text/event-stream']
        : [];
  const accepts = (name: string): boolean => accept.includes('*/*') || accept.toLowerCase().includes(name);
  return needed.every(accepts) ? undefined : { fault: 'not_acceptable', got: accept.slice(0, 128) };
}

function headersOf(request: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of forwarded) {
    const value = soleHeader(request.rawHeaders, name);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

async function readBody(request: IncomingMessage, bytesMax: number): Promise<string | 'too_large' | 'gone'> {
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) return 'too_large';
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) return 'too_large';
      chunks.push(chunk);
    }
  } catch {
    return 'gone';
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The rest of the body is not wanted: the connection ends with the answer. */
function refuse(request: IncomingMessage, response: ServerResponse, answer: UpstreamResponse): void {
  if (!request.complete) response.shouldKeepAlive = false;
  request.resume();
  writeText(response, answer);
}

function faulty(fault: UpstreamFault): UpstreamResponse {
  const server = 'bridge';
  switch (fault.fault) {
    case 'unreachable':
    case 'refused_address':
      return refusal({
        fault: 'upstream_unavailable',
        server,
        detail: fault.detail,
        neverLeft: fault.neverLeft,
      });
    case 'timeout':
      return refusal(
        { fault: 'upstream_timeout', server, timeoutMs: 0 },
        'null',
        `Timeout: ${fault.detail}.`,
      );
    case 'broken':
      return refusal({ fault: 'upstream_broken', server, detail: fault.detail });
    case 'too_large':
      return refusal(
        { fault: 'upstream_too_large', server, bytesMax: 0 },
        'null',
        `Too large: ${fault.detail}.`,
      );
    case 'aborted':
      return refusal({ fault: 'cancelled' });
  }
}

async function send(response: ServerResponse, answer: UpstreamResponse, clock: Clock): Promise<void> {
  if (answer.body.kind === 'text') return writeText(response, answer);
  response.writeHead(answer.status, answer.headers);
  // Some proxies hold the head back until the first byte of the body comes.
  response.write(': open\n\n');
  const beat = clock.every(keepAliveMs, () => {
    if (!response.writableNeedDrain) response.write(': keep-alive\n\n');
  });
  try {
    for await (const chunk of answer.body.chunks) {
      if (response.destroyed) break;
      if (!response.write(chunk)) await drained(response);
    }
    response.end();
  } catch {
    // UpstreamBroken: without an end the reader knows that something is missing.
    response.destroy();
  } finally {
    beat.cancel();
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

function writeText(response: ServerResponse, { status, headers, body }: UpstreamResponse): void {
  const text = body.kind === 'text' ? body.text : '';
  const bare = status === 202 || status === 204;
  response.writeHead(status === 499 ? 503 : status, {
    ...headers,
    ...(bare ? {} : { 'content-length': Buffer.byteLength(text) }),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(bare ? undefined : text);
}
