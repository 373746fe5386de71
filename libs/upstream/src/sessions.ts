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
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';

export interface Session {
  /** Absent where the server keeps none. */
  readonly id: string | undefined;
  readonly face: ServerFace;
}

interface Held {
  readonly opening: Promise<Session | Fault>;
  session: Session | undefined;
  usedAtMs: number;
}

export class Sessions {
  readonly #held = new Map<string, Held>();
  readonly #peer: Peer;
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;

  constructor(peer: Peer, bounds: LinkBounds, ports: LinkPorts) {
    this.#peer = peer;
    this.#bounds = bounds;
    this.#ports = ports;
  }

  get size(): number {
    return this.#held.size;
  }

  /** The session of this key, opened on first use; callers that come meanwhile wait for the same one. */
  async get(key: string): Promise<Session | Fault> {
    const nowMs = this.#ports.clock.nowMs();
    const held = this.#held.get(key);
    if (held) {
      held.usedAtMs = nowMs;
      this.#held.delete(key);
      this.#held.set(key, held);
      return held.session ?? held.opening;
    }
    this.#evict(nowMs);
    const fresh: Held = { opening: this.#open(), session: undefined, usedAtMs: nowMs };
    this.#held.set(key, fresh);
    const session = await fresh.opening;
    if (isFault(session)) this.#forget(key, fresh);
    else fresh.session = session;
    return session;
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
      if (nowMs - held.usedAtMs >= this.#bounds.sessionIdleMs) this.#end(key, held);
    }
  }

  /** Ends all. */
  async close(): Promise<void> {
    const ends = [...this.#held].map(([key, held]) => this.#end(key, held));
    await Promise.all(ends);
  }

  #forget(key: string, held: Held): void {
    if (this.#held.get(key) === held) this.#held.delete(key);
  }

  /** Least recently used first: a Map keeps insertion order, and use re-inserts. */
  #evict(nowMs: number): void {
    this.sweep();
    for (const [key, held] of this.#held) {
      if (this.#held.size < this.#bounds.sessionsMax) return;
      if (nowMs >= held.usedAtMs) void this.#end(key, held);
    }
  }

  async #end(key: string, held: Held): Promise<void> {
    this.#forget(key, held);
    const id = held.session?.id;
    const upstream = this.#ports.upstreams[this.#peer.instance.transport];
    if (id === undefined || !upstream) return;
    await upstream.exchange({
      httpMethod: 'DELETE',
      endpoint: this.#peer.instance.endpoint,
      headers: { 'mcp-session-id': id, 'mcp-protocol-version': held.session?.face.version ?? legacyLatest },
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
        abort: new AbortController(),
      },
      this.#bounds,
      this.#ports,
    );
    if (isFault(answered)) return answered;
    const face = answered.reply?.kind === 'result' ? readInitializeResult(answered.reply.text) : undefined;
    if (!face) return this.#refused(answered.status, answered.reply?.text);
    if (!legacyVersions.includes(face.version)) {
      return this.#broken(`it speaks protocol version ${JSON.stringify(face.version)}, which is not known here`);
    }
    const session = { id: answered.sessionId, face };
    const initialized = await this.#sayInitialized(session);
    return initialized ?? session;
  }

  #refused(status: number, body: string | undefined): Fault {
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
        abort: new AbortController(),
      },
      this.#bounds,
      this.#ports,
    );
    return isFault(said) ? said : undefined;
  }
}

const endTimeoutMs = 2_000;

export function sessionHeaders(session: Session): Record<string, string> {
  return {
    'mcp-protocol-version': session.face.version,
    ...(session.id === undefined ? {} : { 'mcp-session-id': session.id }),
  };
}
