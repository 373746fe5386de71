/** The conversation with one instance of a server: its era found out once, its sessions kept, its answers read. */

import {
  isFault,
  listShapes,
  notificationText,
  paramsFrom,
  readListPage,
  type Era,
  type Fault,
  type ListedItem,
  type ListenFilter,
  type ListKind,
  type ServerFace,
} from '@cruvero/core';
import {
  linkTerms,
  type Answer,
  type Ask,
  type Feed,
  type ListenEvents,
  type ListenOptions,
  type SessionTerms,
} from './ask.ts';
import type { Answered } from './exchange.ts';
import { orCancelled, unanswered, upstreamBroken } from './faults.ts';
import { Feeds } from './feeds.ts';
import { Legacy } from './legacy.ts';
import { Modern } from './modern.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { legacyRefusal } from './session.ts';
import type { TellOptions } from './sessions.ts';

const emptyParams = paramsFrom('{}');

export class UpstreamLink {
  readonly peer: Peer;
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;
  readonly #legacy: Legacy;
  readonly #modern: Modern;
  readonly #feeds: Feeds;
  #face: Found | undefined;
  #era: Era | undefined;
  #nextId: number;

  constructor(peer: Peer, bounds: LinkBounds, ports: LinkPorts) {
    this.peer = peer;
    this.#bounds = bounds;
    this.#ports = ports;
    // Ids are unique in a session, also in one that several replicas use.
    this.#nextId = ports.memory ? 1 + Math.floor(ports.random() * 2 ** 32) * 2 ** 20 : 1;
    const nextIdText = (): string => String(this.#nextId++);
    const forgetFace = (): void => this.#forgetFace();
    this.#legacy = new Legacy(peer, bounds, ports, {
      onBroken: forgetFace,
      onGone: () => void this.reask(),
      nextIdText,
    });
    this.#modern = new Modern(peer, bounds, ports);
    this.#feeds = new Feeds({
      ...{ peer, bounds, ports, legacy: this.#legacy, modern: this.#modern, nextIdText, forgetFace },
      face: () => this.face(),
    });
  }

  /** Legacy sessions that are held, siblings included. */
  get sessionCount(): number {
    return this.#legacy.sessions.size;
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
    await this.#legacy.sessions.end(linkTerms);
  }

  /** Forgets the era and the sessions, after the server was replaced. */
  async reset(): Promise<void> {
    this.#forgetFace();
    await this.#legacy.sessions.endAll();
  }

  async request(ask: Ask): Promise<Answer | Fault> {
    const face = this.#freshFace() ?? (await orCancelled(this.face(), ask.abort.signal));
    if (isFault(face)) return face;
    const answered =
      face.era === 'modern'
        ? await this.#modern.ask(ask, face.version, String(this.#nextId++))
        : await this.#legacy.ask(ask);
    return isFault(answered) ? answered : this.#answer(answered, face.era);
  }

  /** Every item of a list, through all pages. */
  async listAll(
    kind: ListKind,
    terms: SessionTerms,
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
        terms,
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
  async probe(terms: SessionTerms): Promise<{ readonly era: Era } | Fault> {
    const face = await this.face();
    if (isFault(face)) return face;
    if (face.era === 'modern') {
      const again = await this.#modern.discover();
      if (again === 'not_modern') return this.#broken('it does not answer server/discover any more');
      return isFault(again) ? again : { era: 'modern' };
    }
    const { signal } = new AbortController();
    const answered = await this.#legacy.plain(terms, 'ping', {}, signal);
    const answer = isFault(answered) ? answered : this.#answer(answered, 'legacy');
    return isFault(answer) ? answer : { era: 'legacy' };
  }

  /**
   * Listens to what the server says unasked, until the feed is closed; opened again by itself when it breaks. Of legacy feeds
   * over one session each hears what the session hears: lists as it asked for, changed resources as soon as it has subscribed any.
   */
  listen(terms: SessionTerms, filter: ListenFilter, events: ListenEvents, options: ListenOptions = {}): Feed {
    return this.#feeds.open(terms, filter, events, options);
  }

  /**
   * Notifies a legacy server in its open sessions of these terms; nothing is opened for that. True where replicas share the
   * session, so that none of them has to say it again.
   */
  notify(terms: SessionTerms, method: string, paramsText: string, options: TellOptions): Promise<boolean> {
    return this.#legacy.sessions.tell(terms, notificationText(method, paramsText), options);
  }

  /** Whether replicas share the sessions of these terms with this instance. */
  shares(terms: SessionTerms): boolean {
    return this.#legacy.sessions.shares(terms);
  }

  /** Ends the legacy sessions of these terms, for all replicas that share them: their client is gone. */
  async endSession(terms: SessionTerms): Promise<void> {
    await this.#legacy.sessions.end(terms);
  }

  /** Ends the feeds and the sessions; sessions in use when their last request is through. */
  async close(): Promise<void> {
    this.#feeds.close();
    await this.#legacy.sessions.close();
  }

  sweep(): void {
    this.#legacy.sessions.sweep();
  }

  #broken(detail: string): Fault {
    return upstreamBroken(this.peer, detail);
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
      const found = await this.#modern.discover();
      if (found !== 'not_modern') {
        if (!isFault(found)) this.#era = 'modern';
        return found;
      }
    }
    const { signal } = new AbortController();
    const read = (session: { readonly face: ServerFace }): Promise<ServerFace> =>
      Promise.resolve(session.face);
    const face = await this.#legacy.sessions.use(linkTerms, signal, 'own', read);
    if (!isFault(face)) this.#era = 'legacy';
    return face;
  }

  #answer(answered: Answered, era: Era): Answer | Fault {
    if (speaksOtherEra(answered, era)) this.#forgetFace();
    return answered.reply ? { reply: answered.reply, era } : unanswered(this.peer, answered.status);
  }
}

interface Found {
  readonly asked: Promise<ServerFace | Fault>;
  readonly atMs: number;
  /** Undefined until it was asked. */
  face: ServerFace | undefined;
}

const modernRefusals: ReadonlySet<number> = new Set([-32020, -32021, -32022]);

/** The answer of a server that does not understand the era in which it was asked: another one stands there now. */
function speaksOtherEra({ status, reply }: Answered, era: Era): boolean {
  const code = reply?.kind === 'error' ? reply.code : undefined;
  if (era === 'legacy') return code !== undefined && modernRefusals.has(code);
  return (
    (status === 400 || status === 404 || status === 405) && (reply === undefined || code === legacyRefusal)
  );
}
