/**
 * The Listener port on node:http: bounded heads, bounded connections, and an end that lets running requests
 * finish.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HttpHandler, Listener, Listening } from '@cruvero/ports';

export interface HttpListenerOptions {
  /** Address to bind; `127.0.0.1` keeps it on this machine. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** For receiving one whole request, head and body. Default 60 s. */
  readonly requestTimeoutMs?: number;
  /** For receiving the head. Default 10 s. */
  readonly headersTimeoutMs?: number;
  /** Head of one request; a larger one is answered 431. Default 16 KiB. */
  readonly headersBytesMax?: number;
  /** Connections over this number are closed at once. Default 10,000. */
  readonly connectionsMax?: number;
  /**
   * How long an idle connection is kept. Default 65 s: 5 s longer than load balancers keep theirs, so that
   * they end first.
   */
  readonly keepAliveMs?: number;
}

export function httpListener(options: HttpListenerOptions): Listener {
  return { listen: (handler) => listen(options, handler) };
}

async function listen(options: HttpListenerOptions, handler: HttpHandler): Promise<Listening> {
  const running = new Set<ServerResponse>();
  const server = createServer({
    maxHeaderSize: options.headersBytesMax ?? 16 * 1024,
    requestTimeout: options.requestTimeoutMs ?? 60_000,
    headersTimeout: Math.min(options.headersTimeoutMs ?? 10_000, options.requestTimeoutMs ?? 60_000),
    keepAliveTimeout: options.keepAliveMs ?? 65_000,
    connectionsCheckingInterval: 1_000,
    noDelay: true,
  });
  // Node drops header lines over a count without a word; the bound in bytes above refuses instead.
  server.maxHeadersCount = 0;
  server.maxConnections = options.connectionsMax ?? 10_000;
  // One function for all responses: this runs for every request.
  function ended(this: ServerResponse): void {
    running.delete(this);
    if (!server.listening) server.closeIdleConnections();
  }
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    running.add(response);
    response.on('close', ended);
    if (!server.listening) response.shouldKeepAlive = false;
    handler(request, response);
  });
  const address = await bind(server, options);
  let closed: Promise<void> | undefined;
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    host: address.address,
    port: address.port,
    close: (graceMs) => (closed ??= drain(server, running, graceMs)),
  };
}

function bind(server: Server, { host, port }: HttpListenerOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error, host, port)));
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners('error');
      const address = server.address();
      if (address === null || typeof address === 'string')
        throw new Error('a TCP server has an address and a port');
      resolve(address);
    });
  });
}

const bindAdvice: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; stop it or choose another port',
  EACCES: 'this user may not; ports below 1024 need a privilege',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'the host name is not known',
};

function bindError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const advice = bindAdvice[error.code ?? ''] ?? error.message;
  return new Error(`Cannot listen on ${host}:${port}: ${advice} (${error.code ?? 'unknown'}).`, {
    cause: error,
  });
}

/**
 * Node ends idle connections at once in `close`; a response without its head yet says `connection: close`.
 */
async function drain(server: Server, running: ReadonlySet<ServerResponse>, graceMs: number): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const response of running) if (!response.headersSent) response.shouldKeepAlive = false;
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), Math.max(0, graceMs));
  await ended;
  clearTimeout(timer);
}
