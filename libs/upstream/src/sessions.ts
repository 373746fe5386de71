/** Legacy sessions to one instance: one per key, opened once, kept while used, bounded in number. */

import {
  isFault,
  legacyLatest,
  legacyVersions,
  notificationText,
  readInitializeResult,
  requestText,
  type Fault,
  type ServerFace,
} from '@cruvero/core';
import { post } from './exchange.ts';
import { orCancelled } from './faults.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';

export interface Session {
  /** Absent where the server keeps none. */
  readonly id: string | undefined;
  readonly face: ServerFace;
}

interface Held {
  readonly opening: Promise<Session | Fault>;
  /** Undefined while it opens. */
  session: Session | undefined;
  usedAtMs: number;
  /** Requests under way over it; it is not ended under them. */
  running: number;
  /** Nobody gets it any more; told to the server as soon as nothing runs over it. */
  leaving: boolean;
}

export class Sessions {
  readonly #held = new Map<string, Held>();
  readonly #peer: Peer;
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;
  #closed = false;

  constructor(peer: Peer, bounds: LinkBounds, ports: LinkPorts) {
    this.#peer = peer;
    this.#bounds = bounds;
    this.#ports = ports;
  }

  get size(): number {
    return this.#held.size;
  }

  /**
   * Runs `work` over the session of this key, opened on first use; callers that come meanwhile wait for the same one. The fault
   * says why there is no session.
   */
  async use<T>(key: string, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T | Fault> {
    const held = this.#hold(key);
    if (isFault(held)) return held;
    held.running += 1;
    try {
      const session = held.session ?? (await orCancelled(held.opening, signal));
      return isFault(session) ? session : await work(session);
    } finally {
      held.running -= 1;
      held.usedAtMs = this.#ports.clock.nowMs();
      this.#settle(key, held);
    }
  }

  /** Drops a session that its server no longer knows, unless it was replaced meanwhile. */
  drop(key: string, session: Session): void {
    const held = this.#held.get(key);
    if (held && held.session === session) this.#held.delete(key);
  }

  /** Ends what is idle. */
  sweep(): void {
    const nowMs = this.#ports.clock.nowMs();
    for (const [key, held] of this.#held) {
      if (isIdle(held) && nowMs - held.usedAtMs >= this.#bounds.sessionIdleMs) void this.#end(key, held);
    }
  }

  /** Ends the session of this key, if there is one. */
  async end(key: string): Promise<void> {
    const held = this.#held.get(key);
    if (held) await this.#end(key, held);
  }

  /** Ends all; those in use when their last request is through. */
  async endAll(): Promise<void> {
    const ends = [...this.#held].map(([key, held]) => this.#end(key, held));
    await Promise.all(ends);
  }

  /** From now on a session lives no longer than the requests over it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.endAll();
  }

  #hold(key: string): Held | Fault {
    const nowMs = this.#ports.clock.nowMs();
    const known = this.#held.get(key);
    if (known) {
      known.usedAtMs = nowMs;
      this.#held.delete(key);
      this.#held.set(key, known);
      return known;
    }
    if (!this.#makeRoom()) {
      const detail = `all ${this.#bounds.sessionsMax} sessions with it are in use`;
      return { fault: 'upstream_unavailable', server: this.#peer.server, detail, neverLeft: true };
    }
    const opening = this.#open().then((opened) => {
      if (isFault(opened)) this.#forget(key, held);
      else held.session = opened;
      this.#settle(key, held);
      return opened;
    });
    const held: Held = { opening, session: undefined, usedAtMs: nowMs, running: 0, leaving: false };
    this.#held.set(key, held);
    return held;
  }

  /** Least recently used first: a Map keeps insertion order, and use re-inserts. */
  #makeRoom(): boolean {
    if (this.#held.size < this.#bounds.sessionsMax) return true;
    this.sweep();
    for (const [key, held] of this.#held) {
      if (this.#held.size < this.#bounds.sessionsMax) return true;
      if (isIdle(held)) void this.#end(key, held);
    }
    return this.#held.size < this.#bounds.sessionsMax;
  }

  #settle(key: string, held: Held): void {
    if ((held.leaving || this.#closed) && isIdle(held)) void this.#end(key, held);
  }

  #forget(key: string, held: Held): void {
    if (this.#held.get(key) === held) this.#held.delete(key);
  }

  async #end(key: string, held: Held): Promise<void> {
    this.#forget(key, held);
    held.leaving = true;
    if (!isIdle(held)) return;
    const { session } = held;
    held.session = undefined;
    const upstream = this.#ports.upstreams[this.#peer.instance.transport];
    if (session?.id === undefined || !upstream) return;
    await upstream.exchange({
      httpMethod: 'DELETE',
      endpoint: this.#peer.instance.endpoint,
      headers: sessionHeaders(session),
      signal: new AbortController().signal,
      timeoutMs: endTimeoutMs,
      bytesMax: 64 << 10,
    });
  }

  async #open(): Promise<Session | Fault> {
    const params = { protocolVersion: legacyLatest, capabilities: {}, clientInfo: this.#ports.clientInfo };
    const answered = await post(
      this.#peer,
      {
        body: requestText('"initialize"', 'initialize', JSON.stringify(params)),
        headers: {},
        idText: '"initialize"',
        signal: new AbortController().signal,
        wholeMs: this.#bounds.timeoutMs,
      },
      this.#bounds,
      this.#ports,
    );
    if (isFault(answered)) return answered;
    const face = answered.reply?.kind === 'result' ? readInitializeResult(answered.reply.text) : undefined;
    if (!face) return this.#refused(answered.status, answered.reply?.text);
    if (!legacyVersions.includes(face.version)) {
      return this.#broken(
        `it speaks protocol version ${JSON.stringify(face.version)}, which is not known here`,
      );
    }
    const session = { id: answered.sessionId, face };
    const initialized = await this.#sayInitialized(session);
    return initialized ?? session;
  }

  /** An outage behind a proxy says nothing about the server. */
  #refused(status: number, body: string | undefined): Fault {
    if (body === undefined && (status === 429 || status >= 500)) {
      const detail = `it answers HTTP ${status}`;
      return { fault: 'upstream_unavailable', server: this.#peer.server, detail, neverLeft: true };
    }
    const said = body === undefined ? '' : `: ${body.slice(0, 200)}`;
    return this.#broken(`it refused initialize with HTTP ${status}${said}`);
  }

  #broken(detail: string): Fault {
    return { fault: 'upstream_broken', server: this.#peer.server, detail };
  }

  async #sayInitialized(session: Session): Promise<Fault | undefined> {
    const said = await post(
      this.#peer,
      {
        body: notificationText('notifications/initialized', '{}'),
        headers: sessionHeaders(session),
        idText: undefined,
        signal: new AbortController().signal,
      },
      this.#bounds,
      this.#ports,
    );
    return isFault(said) ? said : undefined;
  }
}

const endTimeoutMs = 2_000;

const isIdle = (held: Held): boolean => held.running === 0 && held.session !== undefined;

export function sessionHeaders(session: Session): Record<string, string> {
  return {
    'mcp-protocol-version': session.face.version,
    ...(session.id === undefined ? {} : { 'mcp-session-id': session.id }),
  };
}
