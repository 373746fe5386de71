/**
 * One conversation over HTTP+SSE: every message of the server comes on one stream and finds whom it answers
 * by its id.
 */

import { encodeSse, isSseProblem, type SseEvent, type SseParser } from '@cruvero/core';
import {
  isUpstreamFault,
  UpstreamBroken,
  type Clock,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { BodyStream } from './body-stream.ts';
import { fault } from './fault-of.ts';
import { headersFor, messageFace, streamAnswer, textAnswer, type MessageFace } from './sse-answers.ts';
import { PendingCall } from './sse-pending.ts';

export interface SessionLimits {
  /** Requests of one session that wait for their answer. */
  readonly pendingMax: number;
  /** Messages kept for a GET reader that has not come yet. */
  readonly backlogMax: number;
  /** Characters that a GET reader may leave unread. */
  readonly unreadCharsMax: number;
}

export interface SessionParts {
  readonly id: string;
  readonly endpoint: string;
  readonly http: Upstream;
  readonly clock: Clock;
  readonly limits: SessionLimits;
  /** Ends the event stream. */
  readonly abort: AbortController;
  /** Once, when the session is over for whatever reason. */
  readonly onEnd: (session: SseSession) => void;
}

export class SseSession {
  readonly id: string;
  readonly endpoint: string;
  lastUsedMs: number;
  readonly #parts: SessionParts;
  readonly #messageUrl: string;
  readonly #pending = new Map<string, PendingCall>();
  readonly #backlog: string[] = [];
  #reader: BodyStream | undefined;
  #ended: string | undefined;

  constructor(parts: SessionParts, messageUrl: string) {
    this.id = parts.id;
    this.endpoint = parts.endpoint;
    this.#parts = parts;
    this.#messageUrl = messageUrl;
    this.lastUsedMs = parts.clock.nowMs();
  }

  get busy(): boolean {
    return this.#pending.size > 0 || this.#reader !== undefined;
  }

  /** Reads the stream to its end; never rejects. */
  async run(chunks: AsyncIterator<string>, parser: SseParser, first: readonly SseEvent[]): Promise<void> {
    this.#take(first);
    try {
      while (this.#ended === undefined) {
        const { value, done } = await chunks.next();
        if (done === true) return this.end('the event stream ended');
        const events = parser.feed(value);
        if (isSseProblem(events)) return this.end(events.problem);
        this.#take(events);
      }
    } catch (thrown) {
      this.end(thrown instanceof Error ? thrown.message : 'the event stream broke');
    }
  }

  #take(events: readonly SseEvent[]): void {
    for (const { event, data } of events) {
      if (event !== 'message' || data === '') continue;
      const face = messageFace(data);
      if (!face) return this.end('the server sent something that is not a JSON object');
      if (face.method === undefined) this.#answer(face, data);
      else if (!this.#related(face, data)) this.#unrelated(data);
    }
  }

  #answer(face: MessageFace, data: string): void {
    const pending = face.idText === undefined ? undefined : this.#pending.get(face.idText);
    this.lastUsedMs = this.#parts.clock.nowMs();
    pending?.complete(data);
  }

  /** Whether it went to a request that waits, whose answer becomes a stream by it. */
  #related(face: MessageFace, data: string): boolean {
    if (face.method === 'notifications/progress') return this.#progress(face, data);
    if (face.cancelledText !== undefined) return this.#withdrawn(face.cancelledText, data);
    const isQuestion = face.idText !== undefined;
    if (!isQuestion && face.method !== 'notifications/message') return false;
    // This transport does not say what a message is about. With one request under way there is no doubt; with more there is.
    const [only, ...others] = this.#pending.values();
    if (!only || others.length > 0) return false;
    if (face.idText === undefined) only.before(data);
    else only.question(face.idText, data);
    return true;
  }

  /** Progress belongs to the request that named its token. */
  #progress(face: MessageFace, data: string): boolean {
    if (face.progressText === undefined) return false;
    for (const pending of this.#pending.values()) {
      if (pending.progressText !== face.progressText) continue;
      pending.before(data);
      return true;
    }
    return false;
  }

  /** A question is taken back where it was asked. */
  #withdrawn(idText: string, data: string): boolean {
    for (const pending of this.#pending.values()) if (pending.withdraw(idText, data)) return true;
    return false;
  }

  #unrelated(data: string): void {
    if (!this.#reader) {
      this.#backlog.push(data);
      if (this.#backlog.length > this.#parts.limits.backlogMax) this.#backlog.shift();
    } else if (this.#reader.waitingChars + data.length > this.#parts.limits.unreadCharsMax) {
      this.#reader.fail(new UpstreamBroken('the reader was too slow'));
      this.#reader = undefined;
    } else {
      this.#reader.push(encodeSse(data));
    }
  }

  /** Sends one message; a request resolves with its answer, anything else with 202. */
  post(request: UpstreamRequest, face: MessageFace): Promise<UpstreamResponse | UpstreamFault> {
    this.lastUsedMs = this.#parts.clock.nowMs();
    if (request.signal.aborted) return Promise.resolve(fault('aborted', 'the caller gave up', true));
    if (face.method === undefined || face.idText === undefined) return this.#deliver(request);
    if (this.#pending.has(face.idText)) {
      return Promise.resolve(fault('broken', 'a request with this id waits for its answer', true));
    }
    if (this.#pending.size >= this.#parts.limits.pendingMax) {
      return Promise.resolve(
        fault('unreachable', 'too many requests of this session wait for an answer', true),
      );
    }
    return this.#ask(request, face.idText, face.progressText);
  }

  #ask(
    request: UpstreamRequest,
    idText: string,
    progressText: string | undefined,
  ): Promise<UpstreamResponse | UpstreamFault> {
    const forget = (): void => void this.#pending.delete(idText);
    const pending = new PendingCall(request, progressText, this.#parts.clock, forget);
    this.#pending.set(idText, pending);
    void this.#deliver(request).then((taken) => {
      // The answer may have come first; what became of the POST is then of no interest.
      if (this.#pending.get(idText) !== pending) return;
      if (isUpstreamFault(taken)) pending.fail(taken);
      else if (taken.status >= 300) pending.refuse(taken);
      if (!isUpstreamFault(taken) && taken.status === 404) this.end('the server has forgotten the session');
    });
    return pending.answer;
  }

  /** The POST to the message URL. A body behind a success says nothing: the answer comes on the stream. */
  async #deliver(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault> {
    const { http } = this.#parts;
    const headers = headersFor('POST', request.headers);
    const taken = await http.exchange({ ...request, endpoint: this.#messageUrl, headers });
    if (isUpstreamFault(taken)) return taken;
    if (taken.body.kind === 'stream') await taken.body.chunks[Symbol.asyncIterator]().return?.();
    return taken.status < 300 ? textAnswer(202, '') : taken;
  }

  /** The stream of messages that answer nothing; one reader at a time. */
  read(request: UpstreamRequest): UpstreamResponse {
    if (this.#reader)
      return textAnswer(409, 'This session has a reader of its event stream already.', 'text/plain');
    const leave = (): void => {
      request.signal.removeEventListener('abort', leave);
      reader.fail(new UpstreamBroken('the caller gave up'));
      if (this.#reader === reader) this.#reader = undefined;
      this.lastUsedMs = this.#parts.clock.nowMs();
    };
    const reader = new BodyStream({ pause: () => undefined, resume: () => undefined, cancel: leave });
    request.signal.addEventListener('abort', leave);
    this.#reader = reader;
    for (const data of this.#backlog.splice(0)) reader.push(encodeSse(data));
    return streamAnswer(reader);
  }

  /** Idempotent. What waits fails as broken: the server may well have worked on it. */
  end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.#parts.onEnd(this);
    this.#parts.abort.abort();
    for (const pending of [...this.#pending.values()]) pending.fail(fault('broken', reason, false));
    this.#reader?.fail(new UpstreamBroken(reason));
    this.#reader = undefined;
  }
}
