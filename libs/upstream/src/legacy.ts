/** Requests to a legacy server: over a session of its terms, with the server's questions answered in between. */

import {
  isFault,
  notificationText,
  requestText,
  upstreamParams,
  type Fault,
  type JsonObject,
  type UpstreamDialect,
} from '@cruvero/core';
import type { Ask, SessionTerms } from './ask.ts';
import { post, type Answered, type Sending } from './exchange.ts';
import type { Held } from './held.ts';
import { Patience } from './patience.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { Questions } from './questions.ts';
import { isGone, sessionHeaders, type Session } from './session.ts';
import { Sessions, type Seat } from './sessions.ts';
import { traceHeaders } from './trace.ts';

/** The first version whose streams can be resumed is 2025-03-26. */
const neverResumed: ReadonlySet<string> = new Set(['2024-11-05']);

export interface LegacyHooks {
  /** A session could not be opened, as by a server that is none. */
  readonly onBroken: () => void;
  /** The server forgot a session. */
  readonly onGone: () => void;
  readonly nextIdText: () => string;
}

export class Legacy {
  readonly sessions: Sessions;
  readonly #peer: Peer;
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;
  readonly #hooks: LegacyHooks;

  constructor(peer: Peer, bounds: LinkBounds, ports: LinkPorts, hooks: LegacyHooks) {
    this.#peer = peer;
    this.#bounds = bounds;
    this.#ports = ports;
    this.#hooks = hooks;
    const tell = (session: Session, body: string): Promise<void> => this.tell(session, body);
    this.sessions = new Sessions({ peer, bounds, ports, tell, onGone: hooks.onGone });
  }

  async ask(ask: Ask): Promise<Answered | Fault> {
    const idText = this.#hooks.nextIdText();
    const bounds = ask.timeoutMs === undefined ? this.#bounds : { ...this.#bounds, timeoutMs: ask.timeoutMs };
    let used: Session | undefined;
    const answered = await this.#over(ask.terms, ask.abort.signal, 'own', (session, held) => {
      used = session;
      return this.#call(ask, idText, session, held, bounds);
    });
    if (
      used &&
      isFault(answered) &&
      (answered.fault === 'cancelled' || answered.fault === 'upstream_timeout')
    )
      void this.#sayCancelled(used, idText);
    return answered;
  }

  /**
   * A request of the session itself, such as a subscription; it waits for no other, and what the server says and asks
   * meanwhile is for those who listen to the session.
   */
  plain(
    terms: SessionTerms,
    method: string,
    params: JsonObject,
    signal: AbortSignal,
    seat: Seat = 'first',
  ): Promise<Answered | Fault> {
    const idText = this.#hooks.nextIdText();
    return this.#over(terms, signal, seat, (session, held) =>
      this.#post({
        body: requestText(idText, method, JSON.stringify(params)),
        headers: sessionHeaders(session),
        idText,
        signal,
        wholeMs: this.#bounds.timeoutMs,
        onNotification: (notification) => held.heard(notification),
        onRequest: (request) => held.asked(session, request),
      }),
    );
  }

  /** Sends something that nothing answers. */
  async tell(session: Session, body: string): Promise<void> {
    const { signal } = new AbortController();
    await this.#post({ body, headers: sessionHeaders(session), idText: undefined, signal });
  }

  #post(sending: Sending, bounds = this.#bounds): Promise<Answered | Fault> {
    return post(this.#peer, sending, bounds, this.#ports);
  }

  /**
   * Sends over the session of the terms. Where the server does not know the session any more the request was not begun: it is
   * sent once more over a new one.
   */
  async #over(
    terms: SessionTerms,
    signal: AbortSignal,
    seat: Seat,
    send: (session: Session, held: Held) => Promise<Answered | Fault>,
  ): Promise<Answered | Fault> {
    for (let attempt = 0; ; attempt += 1) {
      const sent = await this.sessions.use(terms, signal, seat, async (session, held) => {
        const answered = await send(session, held);
        return { session, held, answered };
      });
      if (isFault(sent)) {
        if (sent.fault === 'upstream_broken') this.#hooks.onBroken();
        return sent;
      }
      const { session, held, answered } = sent;
      const gone = !isFault(answered) && isGone(session, answered);
      if (gone) {
        this.sessions.drop(held);
        this.#hooks.onGone();
      }
      if (!gone || attempt > 0) return answered;
    }
  }

  async #call(
    ask: Ask,
    idText: string,
    session: Session,
    held: Held,
    bounds: LinkBounds,
  ): Promise<Answered | Fault> {
    const { signal } = ask.abort;
    const patience =
      ask.onRequest &&
      new Patience(signal, this.#ports.clock, { timeoutMs: bounds.timeoutMs, wholeMs: ask.wholeMs });
    const questions = new Questions({
      answer: ask.onRequest,
      tell: (body) => this.tell(session, body),
      hold: () => patience?.hold() ?? (() => undefined),
    });
    const onAbort = (): void => questions.end();
    signal.addEventListener('abort', onAbort);
    const { progressToken } = ask.metaChanges;
    const leave = held.enter({
      questions,
      onNotification: ask.onNotification,
      progressToken: progressToken === undefined ? undefined : JSON.stringify(progressToken),
    });
    try {
      await held.ready(signal);
      return await this.#post(
        {
          body: requestText(idText, ask.method, this.#params(ask, session)),
          headers: { ...sessionHeaders(session), ...traceHeaders(ask) },
          idText,
          signal,
          wholeMs: ask.wholeMs,
          patience,
          resumable: this.#peer.instance.transport === 'http' && !neverResumed.has(session.face.version),
          onPolling: ask.onPolling,
          onNotification: (notification) => {
            if (held.overheard(notification)) ask.onNotification?.(notification.text);
          },
          onRequest: (request) => questions.take(request),
        },
        bounds,
      );
    } finally {
      signal.removeEventListener('abort', onAbort);
      questions.end();
      leave();
    }
  }

  #params(ask: Ask, { face }: Session): string {
    const { clientInfo } = this.#ports;
    const dialect: UpstreamDialect = { era: 'legacy', version: face.version, clientInfo, capabilities: {} };
    return upstreamParams(ask.legacyParams ?? ask.params, ask.meta, dialect, ask.metaChanges, ask.changes);
  }

  /** To a legacy server a closed connection means nothing; it has to be told (MCP 2025-11-25, "Cancellation"). */
  async #sayCancelled(session: Session, idText: string): Promise<void> {
    const params = `{"requestId":${idText},"reason":"The caller gave up."}`;
    await this.tell(session, notificationText('notifications/cancelled', params));
  }
}
