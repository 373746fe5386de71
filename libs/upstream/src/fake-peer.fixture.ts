/** A server behind the Upstream port, as a script: what it was sent can be read, what it answers is chosen by the test. */

import { isFault, paramsFrom, type Fault, type Json, type JsonObject, type ServerName } from '@cruvero/core';
import {
  UpstreamBroken,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { settle, SimClock } from '@cruvero/testkit';
import { linkTerms, type Answer, type Ask, type SessionTerms } from './ask.ts';
import { UpstreamLink } from './link.ts';
import { defaultBounds, type LinkBounds, type LinkPorts } from './peer.ts';

/** One request as the server saw it. */
export interface Seen {
  readonly request: UpstreamRequest;
  readonly message: JsonObject;
  /** JSON-RPC method; `DELETE` for the end of a session, `answer` for a response. */
  readonly method: string;
  readonly session: string | undefined;
}

/** `silence` ends when the caller gives up. */
export type Act = UpstreamResponse | UpstreamFault | 'silence';
export type Script = (seen: Seen) => Act | Promise<Act>;

export class FakePeer implements Upstream {
  readonly seen: Seen[] = [];
  script: Script;

  constructor(script: Script) {
    this.script = script;
  }

  methods(): readonly string[] {
    return this.seen.map(({ method }) => method);
  }

  count(method: string): number {
    return this.methods().filter((one) => one === method).length;
  }

  async exchange(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault> {
    if (request.signal.aborted) return { fault: 'aborted', detail: 'the caller gave up', neverLeft: true };
    const message = request.body === undefined ? {} : (JSON.parse(request.body) as JsonObject);
    const method = request.httpMethod === 'POST' ? String(message['method'] ?? 'answer') : request.httpMethod;
    const seen = { request, message, method, session: request.headers['mcp-session-id'] };
    this.seen.push(seen);
    const act = await this.script(seen);
    return act === 'silence' ? untilAborted(request.signal) : act;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function untilAborted(signal: AbortSignal): Promise<UpstreamFault> {
  const gone: UpstreamFault = { fault: 'aborted', detail: 'the caller gave up', neverLeft: false };
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(gone)));
}

export const text = (
  status: number,
  body: string,
  headers: Record<string, string> = {},
): UpstreamResponse => ({
  status,
  headers,
  body: { kind: 'text', text: body },
});

export const json = (status: number, body: Json, headers: Record<string, string> = {}): UpstreamResponse =>
  text(status, JSON.stringify(body), { 'content-type': 'application/json', ...headers });

export const answer = (seen: Seen, result: Json, headers: Record<string, string> = {}): UpstreamResponse =>
  json(200, { jsonrpc: '2.0', id: seen.message['id'] ?? null, result }, headers);

export const error = (seen: Seen, code: number, message: string, status = 200): UpstreamResponse =>
  json(status, { jsonrpc: '2.0', id: seen.message['id'] ?? null, error: { code, message } });

export const event = (message: Json): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`;

/** An event stream that the test writes; aborting the request breaks it. */
export class FakeStream {
  readonly #waiting: (string | Error | undefined)[] = [];
  #wake: () => void = () => undefined;
  /** What the reader made of it. */
  aborted = false;

  push(chunk: string): void {
    this.#put(chunk);
  }

  send(message: Json): void {
    this.#put(event(message));
  }

  end(): void {
    this.#put(undefined);
  }

  fail(detail: string): void {
    this.#put(new UpstreamBroken(detail));
  }

  #put(item: string | Error | undefined): void {
    this.#waiting.push(item);
    this.#wake();
  }

  respond(seen: Seen, headers: Record<string, string> = {}): UpstreamResponse {
    const { signal } = seen.request;
    const cut = (): void => {
      this.aborted = true;
      this.fail('the caller gave up');
    };
    if (signal.aborted) cut();
    else signal.addEventListener('abort', cut);
    const chunks: AsyncIterable<string> = { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) };
    const body = { kind: 'stream', chunks } as const;
    return { status: 200, headers: { 'content-type': 'text/event-stream', ...headers }, body };
  }

  async #next(): Promise<IteratorResult<string>> {
    while (this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    const item = this.#waiting.shift();
    if (item instanceof Error) throw item;
    return item === undefined ? { value: undefined, done: true } : { value: item, done: false };
  }
}

export const capabilities = { tools: {}, resources: {}, prompts: {} };

export interface LegacyScriptOptions {
  /** What answers the GET of a session. Default: 405. */
  readonly listen?: Script;
  readonly version?: string;
  readonly capabilities?: JsonObject;
}

/** Legacy, with sessions: unknown ids are answered 404, all else is up to `serve`. */
export function legacyScript(
  serve: Script = (seen) => answer(seen, {}),
  options: LegacyScriptOptions = {},
): Script & { forget(): void } {
  let count = 0;
  const open = new Set<string>();
  const script: Script = (seen) => {
    if (seen.method === 'server/discover') return error(seen, -32000, 'Bad Request: no session', 400);
    if (seen.method === 'initialize') {
      const id = `s${(count += 1)}`;
      open.add(id);
      const serverInfo = { name: 'fake', version: String(count) };
      return answer(
        seen,
        {
          protocolVersion: options.version ?? '2025-11-25',
          capabilities: options.capabilities ?? capabilities,
          serverInfo,
        },
        { 'mcp-session-id': id },
      );
    }
    if (!open.has(seen.session ?? '')) return text(404, 'Session not found');
    if (seen.method === 'DELETE') {
      open.delete(seen.session ?? '');
      return text(204, '');
    }
    if (seen.method === 'GET') return (options.listen ?? (() => text(405, '')))(seen);
    return seen.message['id'] === undefined || seen.method === 'answer' ? text(202, '') : serve(seen);
  };
  return Object.assign(script, { forget: () => open.clear() });
}

export const discovered = { supportedVersions: ['2026-07-28'], capabilities, resultType: 'complete' };

export function modernScript(serve: Script = (seen) => answer(seen, { resultType: 'complete' })): Script {
  return (seen) => {
    if (seen.method === 'server/discover') return answer(seen, discovered);
    if (seen.method === 'initialize' || seen.request.headers['mcp-method'] !== seen.method) {
      return error(seen, -32022, 'Unsupported protocol version', 400);
    }
    return serve(seen);
  };
}

export interface Scene {
  readonly peer: FakePeer;
  readonly clock: SimClock;
  readonly link: UpstreamLink;
  ask(over?: Partial<Ask>): Promise<Answer | Fault>;
}

/** A link to the scripted server, in simulated time. */
export function scene(
  script: Script,
  bounds: Partial<LinkBounds> = {},
  transport: 'http' | 'sse' | 'stdio' = 'http',
  ports: Partial<LinkPorts> = {},
): Scene {
  const peer = new FakePeer(script);
  const clock = new SimClock();
  const instance = { instanceId: 'i1' as never, transport, endpoint: 'http://fake.test/mcp' };
  const link = new UpstreamLink(
    { server: 'fake' as ServerName, instance },
    { ...defaultBounds, ...bounds },
    {
      upstreams: { http: peer, sse: peer },
      clock,
      random: () => 0.5,
      clientInfo: { name: 'test', version: '1' },
      ...ports,
    },
  );
  return { peer, clock, link, ask: (over) => link.request(asking(over)) };
}

export function asking(over: Partial<Ask> = {}): Ask {
  return {
    method: 'tools/call',
    params: paramsFrom('{"name":"t","arguments":{}}'),
    meta: undefined,
    metaChanges: {},
    changes: {},
    terms: termsOf('default/alice'),
    capabilities: {},
    abort: new AbortController(),
    ...over,
  };
}

/** The fault, or a failure that shows what came instead. */
export function faulted(value: object): Fault {
  if (!isFault(value)) throw new Error(`expected a fault, got ${JSON.stringify(value)}`);
  return value;
}

/** Lets what is ready run until the condition holds; fails after many rounds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    if (condition()) return;
    await settle(1);
  }
  throw new Error('the condition did not come about');
}

export const termsOf = (key: string, over: Partial<SessionTerms> = {}): SessionTerms => ({
  ...linkTerms,
  key,
  ...over,
});

/** A new stream for each request of one kind, in their order. */
export class FakeStreams {
  readonly opened: { readonly stream: FakeStream; readonly seen: Seen }[] = [];

  readonly script: Script = (seen) => {
    const stream = new FakeStream();
    this.opened.push({ stream, seen });
    return stream.respond(seen);
  };

  get count(): number {
    return this.opened.length;
  }

  /** The nth, counted from 0, as soon as it was asked for. */
  async nth(at: number): Promise<FakeStream> {
    await until(() => this.opened.length > at);
    return this.at(at);
  }

  at(at: number): FakeStream {
    const found = this.opened[at];
    if (!found) throw new Error(`there is no stream ${at}`);
    return found.stream;
  }

  seen(at: number): Seen {
    const found = this.opened[at];
    if (!found) throw new Error(`there is no stream ${at}`);
    return found.seen;
  }
}

/** Capabilities with which a server may ask back. */
export const asksBack = { sampling: {}, elicitation: {}, roots: {} };

/** A request as a server sends it. */
export const question = (
  id: Json,
  method = 'elicitation/create',
  params: Json = { message: 'Sure?' },
): Json => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
});

/** What was posted to answer the server, by the id of its question. */
export function answersTo(peer: FakePeer, id: Json): readonly JsonObject[] {
  return peer.seen
    .filter((seen) => seen.method === 'answer' && seen.message['id'] === id)
    .map(({ message }) => message);
}
