/**
 * A tiny raw HTTP/1.1 client for tests: sends any bytes and any headers, and shows exactly what came back.
 */

import { connect, type Socket } from 'node:net';
import { isSseProblem, SseParser, type SseEvent } from '@cruvero/core';
import { ResponseReader } from './http-response-reader.ts';

export interface ProbeRequest {
  /** Default GET, or POST where there is a body. */
  readonly method?: string;
  /** Default: path and query of the URL. */
  readonly path?: string;
  /** Default: host and port of the URL. `null` sends none. */
  readonly host?: string | null;
  /** In this order, repeated as given. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Content-Length is added unless the headers have it or Transfer-Encoding. */
  readonly body?: string | Uint8Array;
  /** For everything. Default 10 s. */
  readonly timeoutMs?: number;
}

export interface ProbeResponse {
  readonly status: number;
  /** As they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The first header of this name, in any case. */
  header(name: string): string | undefined;
  readonly body: string;
  /** The body as JSON; throws where it is not. */
  json(): unknown;
  /** False where the connection ended before the answer was whole. */
  readonly whole: boolean;
}

/** One request on a connection of its own. Rejects where no head of an answer comes. */
export function probe(url: string, request: ProbeRequest = {}): Promise<ProbeResponse> {
  return probeRaw(url, requestBytes(url, request), request.timeoutMs);
}

/** Any bytes on a connection of its own, and the first answer. */
export async function probeRaw(
  url: string,
  bytes: string | Uint8Array,
  timeoutMs = 10_000,
): Promise<ProbeResponse> {
  const socket = open(url, timeoutMs);
  const reader = new ResponseReader();
  try {
    socket.write(bytes);
    for await (const piece of socket as AsyncIterable<Buffer>) {
      reader.feed(piece);
      if (reader.whole) break;
    }
  } catch (error) {
    if (reader.status === undefined) throw error;
  } finally {
    socket.destroy();
  }
  reader.end();
  if (reader.status === undefined) throw new Error('the connection ended without an answer');
  return response(reader, reader.takeBody().toString());
}

export interface SseProbe extends AsyncDisposable {
  readonly status: number;
  header(name: string): string | undefined;
  /** The next event; undefined at the end of the stream. Rejects after `timeoutMs`, default 5 s. */
  next(timeoutMs?: number): Promise<SseEvent | undefined>;
  /** Characters of comments and events so far. */
  readonly received: string;
  close(): void;
}

/** Opens an event stream and hands out its events one by one. */
export async function probeSse(url: string, request: ProbeRequest = {}): Promise<SseProbe> {
  const socket = open(url, 0);
  const reader = new ResponseReader();
  const parser = new SseParser(16 * 1024 * 1024);
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const events: SseEvent[] = [];
  let received = '';
  let wake = (): void => undefined;
  let ended = false;
  socket.on('data', (piece) => {
    reader.feed(piece as Buffer);
    const text = decoder.decode(reader.takeBody(), { stream: true });
    received += text;
    const fresh = parser.feed(text);
    if (isSseProblem(fresh)) socket.destroy(new Error(fresh.problem));
    else events.push(...fresh);
    ended ||= reader.whole;
    wake();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
    wake();
  });
  const until = (done: () => boolean, timeoutMs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nothing came within ${timeoutMs} ms`)), timeoutMs);
      wake = () => {
        if (!done()) return;
        clearTimeout(timer);
        resolve();
      };
      wake();
    });
  socket.write(
    requestBytes(url, { ...request, headers: [['accept', 'text/event-stream'], ...(request.headers ?? [])] }),
  );
  await until(() => reader.status !== undefined || ended, request.timeoutMs ?? 5_000);
  const head = response(reader, '');
  return {
    status: head.status,
    header: head.header,
    next: async (timeoutMs = 5_000) => {
      await until(() => events.length > 0 || ended, timeoutMs);
      return events.shift();
    },
    get received() {
      return received;
    },
    close: () => void socket.destroy(),
    [Symbol.asyncDispose]: async () => void socket.destroy(),
  };
}

function open(url: string, timeoutMs: number): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 80 : port) });
  socket.setNoDelay(true);
  if (timeoutMs > 0)
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  return socket;
}

function requestBytes(url: string, request: ProbeRequest): Buffer {
  const { pathname, search, host } = new URL(url);
  const headers = request.headers ?? [];
  const body = Buffer.from(request.body ?? '');
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  const lines = [
    `${request.method ?? (request.body === undefined ? 'GET' : 'POST')} ${request.path ?? pathname + search} HTTP/1.1`,
  ];
  if (request.host !== null && !names.has('host')) lines.push(`Host: ${request.host ?? host}`);
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (request.body !== undefined && !names.has('content-length') && !names.has('transfer-encoding')) {
    lines.push(`Content-Length: ${body.length}`);
  }
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
}

function response(reader: ResponseReader, body: string): ProbeResponse {
  const { headers, status = 0, whole } = reader;
  return {
    status,
    headers,
    header: (name) => headers.find(([own]) => own.toLowerCase() === name.toLowerCase())?.[1],
    body,
    json: () => JSON.parse(body) as unknown,
    whole,
  };
}
