/** Sessions of legacy callers with one instance: bounded in number, ended when idle. The child knows nothing of them. */

import type { EventStream } from './event-stream.ts';

export interface BridgeSession {
  readonly id: string;
  usedAtMs: number;
  readonly streams: Set<EventStream>;
  /** By the caller's id as JSON; for notifications/cancelled. */
  readonly calls: Map<string, { cancel(): void }>;
  /** The child holds something for this session (a subscription, a log level), which dies with it. */
  leftMark: boolean;
}

export interface SessionBounds {
  readonly sessionsMax: number;
  readonly sessionIdleMs: number;
}

export class BridgeSessions {
  readonly #sessions = new Map<string, BridgeSession>();
  readonly #bounds: SessionBounds;
  readonly #newId: () => string;

  constructor(bounds: SessionBounds, newId: () => string) {
    this.#bounds = bounds;
    this.#newId = newId;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Undefined where all sessions are busy. Otherwise the one idle longest makes room. */
  open(nowMs: number): BridgeSession | undefined {
    this.sweep(nowMs);
    if (this.#sessions.size >= this.#bounds.sessionsMax && !this.#evictOne()) return undefined;
    const session: BridgeSession = {
      id: this.#newId(),
      usedAtMs: nowMs,
      streams: new Set(),
      calls: new Map(),
      leftMark: false,
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Moves it to the end of the queue for eviction. */
  use(id: string, nowMs: number): BridgeSession | undefined {
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
    return true;
  }

  sweep(nowMs: number): void {
    for (const session of this.#sessions.values()) {
      if (isIdle(session) && nowMs - session.usedAtMs >= this.#bounds.sessionIdleMs) this.end(session.id);
    }
  }

  /** The child is a new one: what it held for some is lost, and they must learn it. */
  childDied(): void {
    for (const session of this.#sessions.values()) {
      session.calls.clear();
      if (session.leftMark) this.end(session.id);
    }
  }

  endAll(): void {
    for (const id of [...this.#sessions.keys()]) this.end(id);
  }

  /** To the open streams of one session, or of all. */
  tell(text: string, sessionId: string | undefined): void {
    const one = sessionId === undefined ? undefined : this.#sessions.get(sessionId);
    const told = sessionId === undefined ? this.#sessions.values() : one ? [one] : [];
    // One stream of each session: a message is sent on one stream only (MCP 2025-11-25, "Multiple Connections").
    for (const session of told) for (const stream of [...session.streams].slice(0, 1)) stream.notify(text);
  }

  #evictOne(): boolean {
    for (const session of this.#sessions.values()) if (isIdle(session)) return this.end(session.id);
    return false;
  }
}

const isIdle = (session: BridgeSession): boolean => session.streams.size === 0 && session.calls.size === 0;
