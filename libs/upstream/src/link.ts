/** The conversation with one instance of a server: its era found out once, its sessions kept, its answers read. */

import {
  isFault,
  listShapes,
  modernVersions,
  modernLatest,
  notificationText,
  paramsFrom,
  readDiscoverResult,
  readListPage,
  requestText,
  upstreamHeaders,
  upstreamParams,
  type Era,
  type Fault,
  type JsonObject,
  type ListedItem,
  type ListKind,
  type MemberChanges,
  type MetaChanges,
  type Params,
  type Reply,
  type ServerFace,
  type UpstreamDialect,
} from '@cruvero/core';
import { post, type Answered, type Sending } from './exchange.ts';
import { orCancelled } from './faults.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { sessionHeaders, Sessions, type Session } from './sessions.ts';

export interface Ask {
  readonly method: string;
  readonly params: Params;
  /** The caller's `_meta`, parsed. */
  readonly meta: JsonObject | undefined;
  readonly metaChanges: MetaChanges;
  /** Members of params to put in place of the caller's, such as the tool's own name. */
  readonly changes: MemberChanges;
  /** Callers with the same key share a legacy session: tenant and principal belong in it. */
  readonly sessionKey: string;
  /**
   * What the caller can answer when a modern server asks back, by `input_required`. A legacy server asks in the middle of the
   * call, which nobody here can answer, so nothing is declared to it.
   */
  readonly capabilities: JsonObject;
  readonly abort: AbortController;
  readonly onNotification?: ((text: string) => void) | undefined;
  /** Overrides the link's own bound. */
  readonly timeoutMs?: number | undefined;
  /** Bound of the whole answer; absent: only silence is bounded, and the caller's own deadline. */
  readonly wholeMs?: number | undefined;
}

export interface Answer {
  readonly reply: Reply;
  readonly era: Era;
}

const discoverIdText = '"discover"';
const probeIdText = '"probe"';
const emptyParams = paramsFrom('{}');

export class UpstreamLink {
  readonly peer: Peer;
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;
  readonly #sessions: Sessions;
  #face: Found | undefined;
  #era: Era | undefined;
  #nextId = 1;

  constructor(peer: Peer, bounds: LinkBounds, ports: LinkPorts) {
    this.peer = peer;
    this.#bounds = bounds;
    this.#ports = ports;
    this.#sessions = new Sessions(peer, bounds, ports);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** What the server said of itself. Asked once and kept; a fault is not kept. */
  async face(): Promise<ServerFace | Fault> {
    const nowMs = this.#ports.clock.nowMs();
    if (!this.#face || nowMs - this.#face.atMs > this.#bounds.faceAgeMs) {
      this.#face = { asked: this.#findFace(), atMs: nowMs, face: undefined };
    }
    const held = this.#face;
    const face = await held.asked;
    if (!isFault(face)) held.face = face;
    else if (this.#face === held) this.#forgetFace();
    return face;
  }

  /** Asks for the era and the face anew at the next need; sessions of callers stay. */
  async reask(): Promise<void> {
    this.#forgetFace();
    await this.#sessions.end(linkSessionKey);
  }

  /** Forgets the era and the sessions, after the server was replaced. */
  async reset(): Promise<void> {
    this.#forgetFace();
    await this.#sessions.endAll();
  }

  async request(ask: Ask): Promise<Answer | Fault> {
    const face = this.#freshFace() ?? (await orCancelled(this.face(), ask.abort.signal));
    if (isFault(face)) return face;
    return face.era === 'modern' ? this.#askModern(ask, face) : this.#askLegacy(ask);
  }

  /** Every item of a list, through all pages. */
  async listAll(
    kind: ListKind,
    sessionKey: string,
    abort: AbortController,
  ): Promise<readonly ListedItem[] | Fault> {
    const items: ListedItem[] = [];
    let chars = 0;
    let cursor: string | undefined;
    for (let page = 0; page < this.#bounds.pagesMax; page += 1) {
      const answer = await this.request({
        method: listShapes[kind].method,
        params: cursor === undefined ? emptyParams : paramsFrom(JSON.stringify({ cursor })),
        meta: undefined,
        metaChanges: {},
        changes: {},
        sessionKey,
        capabilities: {},
        abort,
        wholeMs: this.#bounds.timeoutMs,
      });
      if (isFault(answer)) return answer;
      if (answer.reply.kind === 'error')
        return this.#broken(`it refused ${listShapes[kind].method}: ${answer.reply.text.slice(0, 200)}`);
      const read = readListPage(kind, answer.reply.text);
      if (!read) return this.#broken(`its answer to ${listShapes[kind].method} has no ${kind}`);
      chars += answer.reply.text.length;
      if (chars > this.#bounds.answerBytesMax) return this.#tooLarge();
      for (const item of read.items) items.push(item);
      if (read.nextCursor === undefined || read.nextCursor === cursor) return items;
      cursor = read.nextCursor;
    }
    return this.#broken(`its ${kind} do not end after ${this.#bounds.pagesMax} pages`);
  }

  /** One sign of life over what is open already: `server/discover`, or `ping` on a kept session. */
  async probe(sessionKey: string): Promise<{ readonly era: Era } | Fault> {
    const face = await this.face();
    if (isFault(face)) return face;
    if (face.era === 'modern') {
      const again = await this.#discover();
      if (again === 'not_modern') return this.#broken('it does not answer server/discover any more');
      return isFault(again) ? again : { era: 'modern' };
    }
    const { signal } = new AbortController();
    const answered = await this.#overSession(sessionKey, signal, (session) => ({
      body: requestText(probeIdText, 'ping', '{}'),
      headers: sessionHeaders(session),
      idText: probeIdText,
      signal,
      wholeMs: this.#bounds.timeoutMs,
    }));
    const answer = isFault(answered) ? answered : this.#answer(answered, 'legacy');
    return isFault(answer) ? answer : { era: 'legacy' };
  }

  /** Ends the sessions; those in use when their last request is through. */
  async close(): Promise<void> {
    await this.#sessions.close();
  }

  sweep(): void {
    this.#sessions.sweep();
  }

  #broken(detail: string): Fault {
    return { fault: 'upstream_broken', server: this.peer.server, detail };
  }

  #tooLarge(): Fault {
    return { fault: 'upstream_too_large', server: this.peer.server, bytesMax: this.#bounds.answerBytesMax };
  }

  /** Without a turn of the loop: the way of nearly every call. */
  #freshFace(): ServerFace | undefined {
    const found = this.#face;
    return found && this.#ports.clock.nowMs() - found.atMs <= this.#bounds.faceAgeMs ? found.face : undefined;
  }

  /** What stands at the address may be another server now. */
  #forgetFace(): void {
    this.#face = undefined;
    this.#era = undefined;
  }

  /** Modern first; what is not positively modern is legacy, and an outage is no verdict. */
  async #findFace(): Promise<ServerFace | Fault> {
    if (this.peer.instance.transport !== 'sse' && this.#era !== 'legacy') {
      const found = await this.#discover();
      if (found !== 'not_modern') {
        if (!isFault(found)) this.#era = 'modern';
        return found;
      }
    }
    const { signal } = new AbortController();
    const face = await this.#sessions.use(linkSessionKey, signal, (session) => Promise.resolve(session.face));
    if (!isFault(face)) this.#era = 'legacy';
    return face;
  }

  async #discover(): Promise<ServerFace | Fault | 'not_modern'> {
    const dialect = this.#modern(modernLatest, {});
    const params = upstreamParams(emptyParams, undefined, dialect, {});
    const answered = await post(
      this.peer,
      {
        body: requestText(discoverIdText, 'server/discover', params),
        headers: upstreamHeaders('server/discover', params, dialect),
        idText: discoverIdText,
        signal: new AbortController().signal,
        wholeMs: this.#bounds.timeoutMs,
      },
      this.#bounds,
      this.#ports,
    );
    if (isFault(answered)) return answered.fault === 'upstream_broken' ? 'not_modern' : answered;
    if (answered.reply?.kind === 'result') {
      return readDiscoverResult(answered.reply.text, modernVersions) ?? 'not_modern';
    }
    const { status } = answered;
    if (status === 401 || status === 403 || status === 429 || status >= 500) {
      return {
        fault: 'upstream_unavailable',
        server: this.peer.server,
        detail: `it answers HTTP ${status}`,
        neverLeft: true,
      };
    }
    return 'not_modern';
  }

  #modern(version: string, capabilities: JsonObject): UpstreamDialect {
    return { era: 'modern', version, clientInfo: this.#ports.clientInfo, capabilities };
  }

  async #askModern(ask: Ask, face: ServerFace): Promise<Answer | Fault> {
    const dialect = this.#modern(face.version, ask.capabilities);
    const params = upstreamParams(ask.params, ask.meta, dialect, ask.metaChanges, ask.changes);
    const idText = String(this.#nextId++);
    const answered = await post(
      this.peer,
      {
        body: requestText(idText, ask.method, params),
        headers: { ...upstreamHeaders(ask.method, params, dialect), ...traceHeaders(ask) },
        idText,
        signal: ask.abort.signal,
        onNotification: ask.onNotification,
        ...wholeOf(ask),
      },
      this.#boundsOf(ask),
      this.#ports,
    );
    return isFault(answered) ? answered : this.#answer(answered, 'modern');
  }

  #boundsOf(ask: Ask): LinkBounds {
    return ask.timeoutMs === undefined ? this.#bounds : { ...this.#bounds, timeoutMs: ask.timeoutMs };
  }

  async #askLegacy(ask: Ask): Promise<Answer | Fault> {
    const idText = String(this.#nextId++);
    let used: Session | undefined;
    const answered = await this.#overSession(
      ask.sessionKey,
      ask.abort.signal,
      (session) => {
        used = session;
        const dialect: UpstreamDialect = {
          era: 'legacy',
          version: session.face.version,
          clientInfo: this.#ports.clientInfo,
          capabilities: {},
        };
        const params = upstreamParams(ask.params, ask.meta, dialect, ask.metaChanges, ask.changes);
        return {
          body: requestText(idText, ask.method, params),
          headers: { ...sessionHeaders(session), ...traceHeaders(ask) },
          idText,
          signal: ask.abort.signal,
          onNotification: ask.onNotification,
          ...wholeOf(ask),
          onRequest: (requestId, method) => void this.#answerServer(session, requestId, method),
        };
      },
      this.#boundsOf(ask),
    );
    if (!isFault(answered)) return this.#answer(answered, 'legacy');
    if (used && (answered.fault === 'cancelled' || answered.fault === 'upstream_timeout'))
      void this.#sayCancelled(used, idText);
    return answered;
  }

  /**
   * Sends over the session of the key. Where the server does not know the session any more the request was not begun: it is
   * sent once more over a new one.
   */
  async #overSession(
    key: string,
    signal: AbortSignal,
    sending: (session: Session) => Sending,
    bounds = this.#bounds,
  ): Promise<Answered | Fault> {
    for (let attempt = 0; ; attempt += 1) {
      const sent = await this.#sessions.use(key, signal, async (session) => {
        const answered = await post(this.peer, sending(session), bounds, this.#ports);
        return { session, answered };
      });
      if (isFault(sent)) {
        if (sent.fault === 'upstream_broken') this.#forgetFace();
        return sent;
      }
      const { session, answered } = sent;
      const gone = !isFault(answered) && isGone(session, answered);
      if (gone) {
        this.#sessions.drop(key, session);
        void this.reask();
      }
      if (!gone || attempt > 0) return answered;
    }
  }

  #answer(answered: Answered, era: Era): Answer | Fault {
    if (speaksOtherEra(answered, era)) this.#forgetFace();
    if (answered.reply) return { reply: answered.reply, era };
    const { server } = this.peer;
    if (answered.status === 401 || answered.status === 403) {
      return this.#broken(`it refuses this gateway's credentials (HTTP ${answered.status})`);
    }
    if (answered.status === 503 || answered.status === 429) {
      return {
        fault: 'upstream_unavailable',
        server,
        detail: `it answers HTTP ${answered.status}`,
        neverLeft: false,
      };
    }
    return this.#broken(`it answered HTTP ${answered.status} without a JSON-RPC message`);
  }

  /** To a legacy server a closed connection means nothing; it has to be told (MCP 2025-11-25, "Cancellation"). */
  async #sayCancelled(session: Session, idText: string): Promise<void> {
    const body = notificationText(
      'notifications/cancelled',
      `{"requestId":${idText},"reason":"The caller gave up."}`,
    );
    await this.#tell(session, body);
  }

  /** Nobody here can answer a server's question; it is told so at once, never left waiting. */
  async #answerServer(session: Session, idText: string, method: string): Promise<void> {
    const body =
      method === 'ping'
        ? `{"jsonrpc":"2.0","id":${idText},"result":{}}`
        : `{"jsonrpc":"2.0","id":${idText},"error":{"code":-32601,"message":"This client does not serve ${method.replace(/[^\w/]/g, '')}."}}`;
    await this.#tell(session, body);
  }

  async #tell(session: Session, body: string): Promise<void> {
    const { signal } = new AbortController();
    await post(
      this.peer,
      { body, headers: sessionHeaders(session), idText: undefined, signal },
      this.#bounds,
      this.#ports,
    );
  }
}

/** Session of the link's own requests: the face is read from it, and it serves what is nobody's call, such as lists. */
export const linkSessionKey = 'link';

interface Found {
  readonly asked: Promise<ServerFace | Fault>;
  readonly atMs: number;
  /** Undefined until it was asked. */
  face: ServerFace | undefined;
}

const wholeOf = (ask: Ask): Pick<Sending, 'wholeMs'> =>
  ask.wholeMs === undefined ? {} : { wholeMs: ask.wholeMs };

const modernRefusals: ReadonlySet<number> = new Set([-32020, -32021, -32022]);

/** The answer of a server that does not understand the era in which it was asked: another one stands there now. */
function speaksOtherEra({ status, reply }: Answered, era: Era): boolean {
  const code = reply?.kind === 'error' ? reply.code : undefined;
  if (era === 'legacy') return code !== undefined && modernRefusals.has(code);
  return (
    (status === 400 || status === 404 || status === 405) && (reply === undefined || code === legacyRefusal)
  );
}

/** What the SDKs of the legacy era answer to a request outside of a session. */
const legacyRefusal = -32000;

/**
 * A server answers 404 for a session that it does not know (MCP 2025-11-25, "Session Management"); many, the official
 * reference server among them, answer 400 with -32000 instead. Both come before the request is looked at.
 */
function isGone(session: Session, { status, reply }: Answered): boolean {
  if (session.id === undefined) return false;
  return status === 404 || (status === 400 && reply?.kind === 'error' && reply.code === legacyRefusal);
}

/** The trace goes along twice: proxies read headers, servers behind stdio read `_meta`. */
function traceHeaders(ask: Ask): Record<string, string> {
  const { traceparent, tracestate } = ask.metaChanges;
  if (traceparent === undefined) return {};
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}
