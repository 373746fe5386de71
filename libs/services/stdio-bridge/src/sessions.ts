/** Sessions of legacy callers with one instance: bounded in number, ended when idle. */

import type { EventStream, Lane } from './event-stream.ts';

/** A child that serves one session only. */
export interface SessionChild {
  /** Something is under way with it. */
  readonly busy: boolean;
  end(detail: string): void;
}

export interface BridgeSession<Own extends SessionChild = SessionChild> {
  readonly id: string;
  usedAtMs: number;
  readonly streams: Set<EventStream>;
  /** Requests under way, the one begun last at the end. */
  readonly exchanges: Set<Lane>;
  /** By the caller's id as JSON; for notifications/cancelled. */
  readonly calls: Map<string, { cancel(): void }>;
  /** Undefined where the child that many use serves it. */
  own: Own | undefined;
}

export interface SessionBounds {
  readonly sessionsMax: number;
  readonly sessionIdleMs: number;
}

export class BridgeSessions<Own extends SessionChild = SessionChild> {
  readonly #sessions = new Map<string, BridgeSession<Own>>();
  readonly #bounds: SessionBounds;
  readonly #newId: () => string;
  readonly #onEnd: (session: BridgeSession<Own>) => void;

  /** `onEnd` is called once for each session, when nobody can use it any more. */
  constructor(bounds: SessionBounds, newId: () => string, onEnd: (session: BridgeSession<Own>) => void) {
    this.#bounds = bounds;
    this.#newId = newId;
    this.#onEnd = onEnd;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Undefined where all sessions are busy. Otherwise the one idle longest makes room. */
  open(nowMs: number): BridgeSession<Own> | undefined {
    this.sweep(nowMs);
    if (this.#sessions.size >= this.#bounds.sessionsMax && !this.#evictOne()) return undefined;
    const session: BridgeSession<Own> = {
      id: this.#newId(),
      usedAtMs: nowMs,
      streams: new Set(),
      exchanges: new Set(),
      calls: new Map(),
      own: undefined,
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Without using it. */
  get(id: string): BridgeSession<Own> | undefined {
    return this.#sessions.get(id);
  }

  /** Moves it to the end of the queue for eviction. */
  use(id: string, nowMs: number): BridgeSession<Own> | undefined {
    const session = this.#sessions.get(id);
    if (!session) return undefined;
    if (isIdle(session) && nowMs - session.usedAtMs >= this.#bounds.sessionIdleMs) {
      this.end(id);
      return undefined;
    }
    session.usedAtMs = nowMs;
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    return session;
  }

  end(id: string): boolean {
    const session = this.#sessions.get(id);
    if (!session) return false;
    this.#sessions.delete(id);
    for (const stream of session.streams) stream.finish();
    session.streams.clear();
    session.own?.end('the session was ended');
    this.#onEnd(session);
    return true;
  }

  sweep(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      if (isIdle(session) && nowMs - session.usedAtMs >= this.#bounds.sessionIdleMs) this.end(session.id);
    }
  }

  /** The child that many use is a new one: those for whom it held something must learn that this is lost. */
  childDied(heldFor: (id: string) => boolean): void {
    for (const session of this.#sessions.values()) {
      if (session.own) continue;
      session.calls.clear();
      if (heldFor(session.id)) this.end(session.id);
    }
  }

  /** Ends the session idle longest of those with a child of their own and nothing under way. */
  evictOwn(): boolean {
    for (const { id, own } of this.#sessions.values()) if (own && !own.busy) return this.end(id);
    return false;
  }

  endAll(): void {
    for (const id of [...this.#sessions.keys()]) this.end(id);
  }

  /** To one session, or to all that use the same child as others, where `wants` says so. */
  tell(text: string, sessionId: string | undefined, wants: (id: string) => boolean = () => true): void {
    const one = sessionId === undefined ? undefined : this.#sessions.get(sessionId);
    const told = sessionId === undefined ? this.#sessions.values() : one ? [one] : [];
    for (const session of told) {
      if (sessionId === undefined && session.own) continue;
      // One stream of each session: a message is sent on one stream only (MCP 2025-11-25, "Multiple Connections").
      const [stream] = session.streams;
      if (stream && wants(session.id)) stream.notify(text);
    }
  }

  #evictOne(): boolean {
    for (const session of this.#sessions.values()) if (isIdle(session)) return this.end(session.id);
    return false;
  }
}

const isIdle = ({ streams, exchanges, own }: BridgeSession): boolean =>
  streams.size === 0 && exchanges.size === 0 && own?.busy !== true;
