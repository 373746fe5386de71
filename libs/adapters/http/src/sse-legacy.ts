/**
 * The Upstream port for servers of the HTTP+SSE transport (MCP 2024-11-05), made to look like Streamable
 * HTTP.
 */

import { randomUUID } from 'node:crypto';
import { isSseProblem, SseParser, type SseEvent } from '@cruvero/core';
import {
  isUpstreamFault,
  type Clock,
  type Timer,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { fault } from './fault-of.ts';
import { headersFor, messageFace, sessionHeader, textAnswer, type MessageFace } from './sse-answers.ts';
import { SseSession } from './sse-session.ts';

export interface SseOptions {
  /** Carries the requests; its owner disposes it. Needs room for one GET stream a session. */
  readonly http: Upstream;
  readonly clock: Clock;
  /** Sessions at a time; unused ones make room. Default 1,000. */
  readonly sessionsMax?: number;
  /** Requests of one session that wait for their answer. Default 256. */
  readonly pendingMax?: number;
  /** Messages kept for a GET reader that has not come yet; the oldest are dropped. Default 64. */
  readonly backlogMax?: number;
  /** One event of a session's stream. Default 8 MiB. */
  readonly eventBytesMax?: number;
  /** A session that nobody uses is closed after this. Default 10 min. */
  readonly idleMs?: number;
}

/**
 * `initialize` opens the server's event stream and gets a session id of our own making; later requests carry
 * it. A server
 * that speaks this transport has one stream for everything: answers are matched by id, progress by token; what
 * it asks and
 * what it logs goes to the request under way where there is exactly one, and the rest to the reader of GET. A
 * POSTed
 * response is handed to the server as it is.
 */
export function sseUpstream(options: SseOptions): Upstream {
  return new SseUpstream(options);
}

interface Opened {
  readonly iterator: AsyncIterator<string>;
  readonly parser: SseParser;
  /** Where messages go. */
  readonly url: string;
  /** Events that came together with the endpoint event. */
  readonly rest: readonly SseEvent[];
}

const closed = 'this gateway has closed its connections';

class SseUpstream implements Upstream {
  readonly #options: SseOptions;
  readonly #sessions = new Map<string, SseSession>();
  readonly #sweep: Timer;
  readonly #sessionsMax: number;
  readonly #eventBytesMax: number;
  #opening = 0;
  #disposed = false;

  constructor(options: SseOptions) {
    this.#options = options;
    this.#sessionsMax = options.sessionsMax ?? 1_000;
    this.#eventBytesMax = options.eventBytesMax ?? 8 * 1024 * 1024;
    const idleMs = options.idleMs ?? 600_000;
    this.#sweep = options.clock.every(idleMs / 4, () => this.#endIdle(idleMs));
  }

  async exchange(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault> {
    if (this.#disposed) return fault('unreachable', closed, true);
    if (request.signal.aborted) return fault('aborted', 'the caller gave up', true);
    const face = request.httpMethod === 'POST' ? messageFace(request.body ?? '') : undefined;
    if (request.httpMethod === 'POST' && !face)
      return fault('broken', 'the message is not a JSON object', true);
    const sessionId = request.headers[sessionHeader];
    if (sessionId === undefined) return this.#first(request, face);
    const session = this.#sessions.get(sessionId);
    if (!session || session.endpoint !== request.endpoint)
      return textAnswer(404, 'Session not found', 'text/plain');
    if (face) return session.post(request, face);
    if (request.httpMethod === 'GET') return session.read(request);
    session.end('the session was closed');
    return textAnswer(200, '');
  }

  async #first(
    request: UpstreamRequest,
    face: MessageFace | undefined,
  ): Promise<UpstreamResponse | UpstreamFault> {
    if (!face) return textAnswer(405, 'Send initialize first', 'text/plain');
    if (face.method !== 'initialize') return textAnswer(400, 'Mcp-Session-Id is missing', 'text/plain');
    const session = await this.#open(request);
    if (!(session instanceof SseSession)) return session;
    const answer = await session.post(request, face);
    const open = this.#sessions.has(session.id);
    if (isUpstreamFault(answer) || answer.status >= 300) {
      session.end('initialize failed');
      return answer;
    }
    if (!open) return fault('broken', 'the event stream ended during initialize', false);
    return { ...answer, headers: { ...answer.headers, [sessionHeader]: session.id } };
  }

  async #open(request: UpstreamRequest): Promise<SseSession | UpstreamResponse | UpstreamFault> {
    if (this.#sessions.size + this.#opening >= this.#sessionsMax && !this.#makeRoom()) {
      return fault('unreachable', `this gateway holds ${this.#sessionsMax} sessions in use already`, true);
    }
    this.#opening += 1;
    const abort = new AbortController();
    const onAbort = (): void => abort.abort();
    request.signal.addEventListener('abort', onAbort);
    const timer = this.#options.clock.after(request.timeoutMs, onAbort);
    try {
      const opened = await this.#openStream(request, abort.signal);
      if ('iterator' in opened && !this.#disposed) return this.#start(request, opened, abort);
      if ('iterator' in opened) {
        abort.abort();
        return fault('unreachable', closed, true);
      }
      // Whatever went wrong: the message itself was not sent.
      if (!isUpstreamFault(opened)) return opened;
      if (request.signal.aborted) return fault('aborted', 'the caller gave up', true);
      if (abort.signal.aborted)
        return fault('timeout', `no endpoint event within ${request.timeoutMs} ms`, true);
      return { ...opened, neverLeft: true };
    } finally {
      this.#opening -= 1;
      timer.cancel();
      request.signal.removeEventListener('abort', onAbort);
    }
  }

  async #openStream(
    request: UpstreamRequest,
    signal: AbortSignal,
  ): Promise<Opened | UpstreamResponse | UpstreamFault> {
    const answer = await this.#options.http.exchange({
      httpMethod: 'GET',
      endpoint: request.endpoint,
      headers: headersFor('GET', request.headers),
      signal,
      timeoutMs: request.timeoutMs,
      bytesMax: this.#eventBytesMax,
    });
    if (isUpstreamFault(answer) || answer.status >= 300) return answer;
    if (answer.body.kind !== 'stream') return fault('broken', 'GET did not give an event stream', true);
    const iterator = answer.body.chunks[Symbol.asyncIterator]();
    const parser = new SseParser(this.#eventBytesMax);
    const found = await findEndpoint(iterator, parser, request.endpoint);
    if ('url' in found) return { iterator, parser, ...found };
    await iterator.return?.();
    return found;
  }

  #start(request: UpstreamRequest, opened: Opened, abort: AbortController): SseSession {
    const { http, clock, pendingMax, backlogMax } = this.#options;
    const session = new SseSession(
      {
        id: randomUUID(),
        endpoint: request.endpoint,
        http,
        clock,
        abort,
        limits: {
          pendingMax: pendingMax ?? 256,
          backlogMax: backlogMax ?? 64,
          unreadCharsMax: this.#eventBytesMax,
        },
        onEnd: ({ id }) => void this.#sessions.delete(id),
      },
      opened.url,
    );
    this.#sessions.set(session.id, session);
    void session.run(opened.iterator, opened.parser, opened.rest);
    return session;
  }

  #makeRoom(): boolean {
    let oldest: SseSession | undefined;
    for (const session of this.#sessions.values()) {
      if (!session.busy && (!oldest || session.lastUsedMs < oldest.lastUsedMs)) oldest = session;
    }
    oldest?.end('the session made room for another');
    return oldest !== undefined;
  }

  #endIdle(idleMs: number): void {
    const nowMs = this.#options.clock.nowMs();
    for (const session of [...this.#sessions.values()]) {
      if (!session.busy && nowMs - session.lastUsedMs >= idleMs) session.end('the session was idle');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sweep.cancel();
    this.#disposed = true;
    for (const session of [...this.#sessions.values()]) session.end(closed);
  }
}

/**
 * The first event names the URL for messages; it must be of the same origin, or our credentials could be led
 * astray.
 */
async function findEndpoint(
  iterator: AsyncIterator<string>,
  parser: SseParser,
  endpoint: string,
): Promise<Pick<Opened, 'url' | 'rest'> | UpstreamFault> {
  const broken = (detail: string): UpstreamFault => fault('broken', detail, true);
  try {
    for (;;) {
      const { value, done } = await iterator.next();
      if (done === true) return broken('the event stream ended before its endpoint event');
      const events = parser.feed(value);
      if (isSseProblem(events)) return broken(events.problem);
      const at = events.findIndex(({ event }) => event === 'endpoint');
      const found = events[at];
      if (!found) continue;
      if (!URL.canParse(found.data, endpoint)) return broken('its endpoint event holds no URL');
      const url = new URL(found.data, endpoint);
      if (url.origin !== new URL(endpoint).origin) return broken('its endpoint event names another origin');
      return { url: url.href, rest: events.slice(at + 1) };
    }
  } catch (thrown) {
    return broken(thrown instanceof Error ? thrown.message : 'the event stream broke');
  }
}
