/** The only way out of a run with a network: a proxy outside of it, at one socket, for listed hosts, which ends with the run. */

import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, rmSync } from 'node:fs';
import {
  createServer,
  request as requestOf,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect, type LookupFunction, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline, type Duplex } from 'node:stream';
import { once } from 'node:events';
import { canonicalHost, readHostAndPort, type HostAndPort, type Log } from '@cruvero/ports';
import { ProxyRules, type NetworkOptions, type Refused, type Target } from './proxy-rules.ts';

export interface ProxyParts {
  readonly network: NetworkOptions;
  /** The socket is made here; its name is not to be guessed. */
  readonly folder: string;
  /** Name of the run in the log. */
  readonly run: string;
  /** Who may connect beside this process's own user. */
  readonly uid: number | undefined;
  readonly log: Log | undefined;
}

const connectMsMax = 10_000;
const headBytesMax = 16_384;
/** Of a run to its proxy at one time, whatever they are for: each is a descriptor of this process. */
const insideMax = 64;
const portOfHttp = 80;

/** Of one hop, not of the message (RFC 9110 §7.6.1). */
const hopHeaders = [
  ...['connection', 'proxy-connection', 'keep-alive', 'proxy-authorization', 'proxy-authenticate'],
  ...['te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'host'],
];

/** Listens for one run. Throws where the socket cannot be made. */
export async function openProxy(parts: ProxyParts): Promise<Proxy> {
  const proxy = new Proxy(parts);
  await proxy.listen();
  return proxy;
}

export class Proxy {
  readonly path: string;
  readonly #parts: ProxyParts;
  readonly #rules: ProxyRules;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();

  constructor(parts: ProxyParts) {
    this.#parts = parts;
    this.path = join(parts.folder, randomBytes(12).toString('hex'));
    this.#rules = new ProxyRules(parts.network, parts.run, parts.log, () => this.#endAll());
    this.#server = createServer({ maxHeaderSize: headBytesMax });
    this.#server.maxRequestsPerSocket = 100;
    this.#server.maxConnections = insideMax;
    this.#server.on('drop', () => this.#rules.countConnection());
    this.#server.on('connection', (socket) => this.#hold(socket) && this.#rules.countConnection());
    this.#server.on('connect', (request, socket, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      this.#tunnel(request, socket).catch(() => socket.destroy());
    });
    this.#server.on('request', (request, response) => {
      // Whoever went away meanwhile gets no answer.
      for (const stream of [request, response]) stream.on('error', () => undefined);
      this.#forward(request, response).catch(() => response.destroy());
    });
  }

  async listen(): Promise<void> {
    const { uid } = this.#parts;
    this.#server.listen({ path: this.path });
    await once(this.#server, 'listening');
    this.#server.on('error', () => this.#endAll());
    chmodSync(this.path, 0o600);
    if (uid !== undefined) chownSync(this.path, uid, uid);
  }

  /** Bytes and connections are used up, or it is over: nothing is passed on any more. */
  #endAll(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #hold<Held extends Duplex>(socket: Held): Held {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
    if (this.#rules.over) socket.destroy();
    return socket;
  }

  async #tunnel(request: IncomingMessage, inside: Duplex): Promise<void> {
    const target = await this.#rules.admit(readHostAndPort(request.url ?? ''));
    if ('status' in target) return void inside.end(rawAnswer(target));
    const outside = this.#hold(connect({ ...this.#destination(target), allowHalfOpen: true }));
    outside.setTimeout(connectMsMax, () => outside.destroy());
    outside.once('close', () => target.done());
    inside.once('close', () => outside.destroy());
    if (inside.destroyed) outside.destroy();
    let open = false;
    outside.once('connect', () => {
      open = true;
      outside.setTimeout(0);
      inside.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      this.#rules.count(inside);
      this.#rules.count(outside);
      // The ends of both directions are told apart: either may go on when the other has said all.
      inside.pipe(outside);
      outside.pipe(inside);
    });
    outside.once('close', () => {
      if (open) inside.end(() => inside.destroy());
      else inside.end(rawAnswer({ status: 502, reason: `${target.said} does not answer.` }));
    });
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = readPlainUrl(request.url ?? '');
    const target = await this.#rules.admit(url?.to);
    if ('status' in target || !url) return answer(response, 'status' in target ? target : badRequest);
    if (response.closed) return target.done();
    response.once('close', () => target.done());
    const onward = requestOf({
      ...this.#destination(target),
      agent: false,
      method: request.method ?? 'GET',
      path: url.path,
      headers: { ...withoutHops(request.headers), ...framingOf(request.headers), host: url.hostHeader },
      maxHeaderSize: headBytesMax,
    });
    onward.on('socket', (socket: Socket) => {
      this.#hold(socket).setTimeout(connectMsMax, () => socket.connecting && socket.destroy());
    });
    onward.on('response', (reply) => {
      try {
        response.writeHead(reply.statusCode ?? 502, withoutHops(reply.headers));
      } catch {
        // What a host answers may be what cannot be said.
        return void onward.destroy(new Error('an answer that is none'));
      }
      this.#rules.count(reply);
      pipeline(reply, response, () => onward.destroy());
    });
    const fail = (): void => answer(response, { status: 502, reason: `${target.said} does not answer.` });
    // Nobody asked for another protocol; Node tells of such an answer by this alone.
    onward.on('upgrade', (_reply, socket) => {
      socket.destroy();
      fail();
    });
    onward.on('error', fail);
    response.once('close', () => onward.destroy());
    this.#rules.count(request);
    request.pipe(onward);
  }

  /** Only addresses that were looked at, whatever the name says a moment later. */
  #destination({ host, port, addresses }: Target) {
    const lookup: LookupFunction = (_name, options, done) => {
      const [first] = addresses;
      if (options.all === true) done(null, [...addresses]);
      else done(first ? null : new Error('no address'), first?.address ?? '', first?.family ?? 0);
    };
    return { host, port, lookup };
  }

  /** Closes every connection; nothing is left of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#rules.end();
    this.#endAll();
    this.#server.closeAllConnections();
    await closed;
    rmSync(this.path, { force: true });
  }
}

const badRequest: Refused = {
  status: 400,
  reason: 'This is a proxy: ask it with CONNECT host:port or for http://host/….',
};

interface PlainUrl {
  readonly to: HostAndPort | undefined;
  readonly path: string;
  readonly hostHeader: string;
}

/** Of an absolute request target; undefined for all others. */
function readPlainUrl(text: string): PlainUrl | undefined {
  if (!/^http:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const { hostname, port, pathname, search, host } = new URL(text);
  const name = canonicalHost(hostname);
  const to = name === undefined ? undefined : { host: name, port: port === '' ? portOfHttp : Number(port) };
  return { to, path: `${pathname}${search}`, hostHeader: host };
}

/** Where a body ends. Node frames bodies by itself only for methods that have one as a rule. */
function framingOf(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const length = headers['content-length'];
  if (headers['transfer-encoding'] !== undefined) return { 'transfer-encoding': 'chunked' };
  return length === undefined ? {} : { 'content-length': length };
}

function withoutHops(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase());
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !hopHeaders.includes(name) && !named.includes(name)),
  );
}

function answer(response: ServerResponse, { status, reason }: Refused): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close' });
  response.end(`${reason}\n`);
}

function rawAnswer({ status, reason }: Refused): string {
  const body = `${reason}\n`;
  return (
    `HTTP/1.1 ${status} ${statusTexts[status]}\r\ncontent-type: text/plain\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`
  );
}

const statusTexts: Readonly<Record<Refused['status'], string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  429: 'Too Many Requests',
  502: 'Bad Gateway',
};
