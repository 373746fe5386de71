/** Legacy sessions of clients: bound to their principal and door, bounded in number, idle ones ended. */

import { randomBytes } from 'node:crypto';
import type { JsonObject, Principal } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { Door } from './pipeline.ts';

export interface ClientSession {
  readonly id: string;
  readonly principal: Principal;
  readonly door: Door;
  /** Negotiated at initialize. */
  readonly version: string;
  readonly clientCapabilities: JsonObject;
  readonly clientInfo: JsonObject;
  usedAtMs: number;
  /** Ends the session's own event stream, if one is open. */
  closeStream: (() => void) | undefined;
  /** Calls under way by their id as spelled, so that the client can cancel one and cannot use an id twice at once. */
  readonly running: Map<string, AbortController>;
}

export interface SessionBounds {
  readonly sessionsMax: number;
  readonly sessionIdleMs: number;
}

export class ClientSessions {
  readonly #sessions = new Map<string, ClientSession>();
  readonly #bounds: SessionBounds;
  readonly #clock: Clock;

  constructor(bounds: SessionBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The one idle longest makes room for a new one. */
  open(facts: Omit<ClientSession, 'id' | 'usedAtMs' | 'closeStream' | 'running'>): ClientSession {
    const oldest = this.#sessions.size >= this.#bounds.sessionsMax ? this.#idleLongest() : undefined;
    if (oldest) this.#end(oldest);
    const id = randomBytes(24).toString('base64url');
    const session: ClientSession = {
      ...facts,
      id,
      usedAtMs: this.#clock.nowMs(),
      closeStream: undefined,
      running: new Map(),
    };
    this.#sessions.set(id, session);
    return session;
  }

  /** Undefined where there is none of that id for this principal at this door: all three look alike from outside. */
  find(id: string, principal: Principal, door: Door): ClientSession | undefined {
    const session = this.#sessions.get(id);
    if (!session || !samePrincipal(session.principal, principal) || doorKey(session.door) !== doorKey(door))
      return undefined;
    session.usedAtMs = this.#clock.nowMs();
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    return session;
  }

  end(session: ClientSession): void {
    this.#end(session);
  }

  /** A session with an open stream, or with a call under way, is in use. */
  sweep(): void {
    const nowMs = this.#clock.nowMs();
    for (const session of this.#sessions.values()) {
      if (session.closeStream || session.running.size > 0) session.usedAtMs = nowMs;
      else if (nowMs - session.usedAtMs >= this.#bounds.sessionIdleMs) this.#end(session);
    }
  }

  closeAll(): void {
    for (const session of this.#sessions.values()) this.#end(session);
  }

  /** One with an open stream goes only if all have one: a Map keeps insertion order, and use re-inserts. */
  #idleLongest(): ClientSession | undefined {
    let first: ClientSession | undefined;
    for (const session of this.#sessions.values()) {
      if (!session.closeStream && session.running.size === 0) return session;
      first ??= session;
    }
    return first;
  }

  #end(session: ClientSession): void {
    this.#sessions.delete(session.id);
    session.closeStream?.();
  }
}

function samePrincipal(a: Principal, b: Principal): boolean {
  return a.tenantId === b.tenantId && a.name === b.name;
}

export function doorKey(door: Door): string {
  return door.door === 'aggregate' ? '' : door.name;
}
