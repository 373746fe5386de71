/** One legacy session in use: the calls that run over it, the feeds that hold it, and its ear while any of them needs one. */

import { canAnswer, isJsonProblem, objectMembers, textOf, wholeObject, type Fault } from '@cruvero/core';
import type { SessionTerms } from './ask.ts';
import { isLate } from './backoff.ts';
import { Ear } from './ear.ts';
import type { ServerNotification, ServerRequest } from './exchange.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { cancelledId, refusal, type Questions } from './questions.ts';
import type { Session } from './session.ts';

/** A call under way, to whom what comes on the session's own stream may belong. */
export interface RunningCall {
  readonly questions: Questions;
  readonly onNotification: ((text: string) => void) | undefined;
  /** As JSON text; undefined where the caller wants no progress. */
  readonly progressToken: string | undefined;
}

/** A feed on this session. */
export interface Listener {
  readonly questions: Questions;
  onNotification(notification: ServerNotification): void;
  onOpen(missed: boolean): void;
  onWaiting(fault: Fault): void;
  onNone(): void;
  /** Another session has to be opened; this one is let go of already. */
  onLost(): void;
}

export interface HeldParts {
  readonly key: string;
  readonly peer: Peer;
  readonly bounds: LinkBounds;
  readonly ports: LinkPorts;
  readonly terms: SessionTerms;
  readonly opening: Promise<Session | Fault>;
  readonly tell: (session: Session, body: string) => Promise<void>;
  /** The server does not know the session any more. */
  readonly onGone: () => void;
  /** What is known of the server's GET streams, whichever session they are of. */
  readonly heads: { areLate: boolean };
}

/** Some servers send the head of a GET stream only with its first event: it is not waited for longer, and only once. */
export const streamWaitMs = 1_000;

export class Held {
  readonly key: string;
  readonly opening: Promise<Session | Fault>;
  readonly terms: SessionTerms;
  /** Undefined while it opens, and when it was ended. */
  session: Session | undefined;
  usedAtMs: number;
  /** Requests under way or waiting, and feeds; it is not ended under them. */
  users = 0;
  /** Callers that want it for themselves. */
  claims = 0;
  /** Nobody gets it any more; told to the server as soon as nothing runs over it. */
  leaving = false;
  /** Its end is meant for all replicas that use it. */
  forAll = false;
  readonly #parts: HeldParts;
  readonly #calls = new Set<RunningCall>();
  readonly #listeners = new Set<Listener>();
  #ear: Ear | undefined;
  /** The ear is open, or is not to be had right now. */
  #tried = Promise.withResolvers<void>();
  /** The server has no GET stream. */
  #deaf = false;
  #lost = false;

  constructor(parts: HeldParts) {
    this.#parts = parts;
    this.key = parts.key;
    this.terms = parts.terms;
    this.opening = parts.opening;
    this.usedAtMs = parts.ports.clock.nowMs();
  }

  get idle(): boolean {
    return this.users === 0 && this.session !== undefined;
  }

  /** Until the returned function is called. */
  enter(call: RunningCall): () => void {
    this.#calls.add(call);
    this.#settleEar();
    return () => {
      this.#calls.delete(call);
      this.#settleEar();
    };
  }

  /** What a server asks on the session's own stream before that is open is lost, so a call is sent when it is. */
  async ready(signal: AbortSignal): Promise<void> {
    const { heads, ports } = this.#parts;
    if (!this.#ear || this.#ear.open || heads.areLate) return;
    if (await isLate(this.#tried.promise, streamWaitMs, ports.clock, signal)) heads.areLate = true;
  }

  listen(listener: Listener): () => void {
    if (this.#lost) listener.onLost();
    else {
      this.#listeners.add(listener);
      if (this.#deaf) listener.onNone();
      else if (this.#ear?.open === true) listener.onOpen(false);
      this.#settleEar();
    }
    return () => {
      this.#listeners.delete(listener);
      this.#settleEar();
    };
  }

  /** Feeds have to look for another session; calls go on as long as they can. */
  lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    const left = [...this.#listeners];
    this.#listeners.clear();
    this.#settleEar();
    for (const listener of left) listener.onLost();
  }

  #settleEar(): void {
    const asked = this.#calls.size > 0 && canAnswer(this.terms.capabilities);
    const wanted = !this.#deaf && (asked || this.#listeners.size > 0);
    if (wanted && !this.#ear && this.session) this.#openEar(this.session);
    if (wanted || !this.#ear) return;
    this.#ear.close();
    this.#ear = undefined;
  }

  #openEar(session: Session): void {
    const { peer, bounds, ports, onGone } = this.#parts;
    const tried = (this.#tried = Promise.withResolvers<void>());
    const each = (tell: (listener: Listener) => void): void => {
      tried.resolve();
      [...this.#listeners].forEach(tell);
    };
    this.#ear = new Ear(peer, session, bounds, ports, {
      onNotification: (notification) => this.heard(notification),
      onRequest: (request) => this.asked(session, request),
      onOpen: (missed) => each((listener) => listener.onOpen(missed)),
      onWaiting: (fault) => each((listener) => listener.onWaiting(fault)),
      onNone: () => {
        this.#deaf = true;
        this.#settleEar();
        each((listener) => listener.onNone());
      },
      onGone: () => {
        tried.resolve();
        onGone();
      },
      cares: () => this.#listeners.size > 0,
    });
    void this.#ear.run();
  }

  /**
   * What came on the stream of a call. A server may say there what concerns everybody, and take questions back, which is all
   * that the call itself shall not hear of.
   */
  overheard(notification: ServerNotification): boolean {
    if (notification.method === 'notifications/cancelled') {
      this.#cancelled(notification);
      return false;
    }
    if (!callsOwn.has(notification.method)) this.#tellListeners(notification);
    return true;
  }

  /** The server takes a question back, on whichever stream it says so. */
  #cancelled(notification: ServerNotification): void {
    const idText = cancelledId(notification.text);
    if (idText === undefined) return;
    for (const { questions } of [...this.#calls, ...this.#listeners]) if (questions.cancel(idText)) return;
  }

  /** What came on the session's own stream, or on that of a request of the session itself. */
  heard(notification: ServerNotification): void {
    if (notification.method === 'notifications/cancelled') return this.#cancelled(notification);
    const call = this.#callOf(notification);
    if (call) return call.onNotification?.(notification.text);
    if (notification.method !== 'notifications/progress') this.#tellListeners(notification);
  }

  #tellListeners(notification: ServerNotification): void {
    for (const listener of [...this.#listeners]) listener.onNotification(notification);
  }

  /** Progress names its call; what is logged while one call runs belongs to it. */
  #callOf({ method, text }: ServerNotification): RunningCall | undefined {
    if (method === 'notifications/progress') {
      const token = progressToken(text);
      return (
        this.#only() ?? [...this.#calls].find((call) => token !== undefined && call.progressToken === token)
      );
    }
    return method === 'notifications/message' ? this.#only() : undefined;
  }

  #only(): RunningCall | undefined {
    if (this.#calls.size !== 1) return undefined;
    const [call] = this.#calls;
    return call;
  }

  /** To the call that has the session for itself, else to a feed, else to the one call there is. */
  asked(session: Session, request: ServerRequest): void {
    const calls = [...this.#calls].filter(({ questions }) => questions.canAnswer);
    const only = calls.length === 1 ? calls[0]?.questions : undefined;
    const listening = [...this.#listeners].find(({ questions }) => questions.canAnswer)?.questions;
    const owner = this.terms.exclusive ? (only ?? listening) : (listening ?? only);
    if (owner) owner.take(request);
    else void this.#parts.tell(session, refusal(request));
  }
}

/** What a call's own stream carries for that call alone. */
const callsOwn: ReadonlySet<string> = new Set(['notifications/progress', 'notifications/message']);

function progressToken(text: string): string | undefined {
  const members = wholeObject(text);
  const span = isJsonProblem(members) ? undefined : members.get('params');
  const params = span && objectMembers(text, span.start);
  if (params === undefined || isJsonProblem(params)) return undefined;
  const token = params.get('progressToken');
  return token && textOf(text, token);
}
