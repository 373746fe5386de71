/** What replicas tell one another about a legacy session: its client's requests and its stream may be at different ones. */

import { randomBytes } from 'node:crypto';
import { replicaSubjects } from '@cruvero/contracts';
import { isJsonObject, type GatewayId, type Json, type JsonObject } from '@cruvero/core';
import type { Bus, Clock, Subscription } from '@cruvero/ports';
import type { SessionChange } from './sessions/client-session.ts';

/** Something that a server said outside of calls, for the client's own stream. */
export interface Heard {
  readonly server: string;
  /** Of one session at the server that all replicas use: nobody else has heard it. */
  readonly shared: boolean;
  readonly text: string;
}

/** A notification of the client for its servers. */
export interface Noted {
  readonly method: string;
  readonly paramsText: string;
  /** Instances that have it already, in a session that all replicas use. */
  readonly told: readonly string[];
}

export interface SessionTalkParts {
  readonly bus: Bus;
  readonly gatewayId: GatewayId;
  readonly subjectPrefix: string;
  readonly clock: Clock;
  readonly changed: (uid: string, change: SessionChange) => void;
  readonly heard: (uid: string, heard: Heard) => void;
  /** True where the session's stream is open here, and took the text. */
  readonly put: (uid: string, text: string) => boolean;
  readonly noted: (uid: string, noted: Noted) => void;
  /** A client says how far the answer to a question of this replica is. */
  readonly progressed: (uid: string, idText: string, paramsText: string) => void;
}

/** Another replica that has the stream says so at once. */
const placedWithinMs = 1_000;
/** A bus message has a bound; what is longer stays where it was heard. */
const textCharsMax = 500_000;

export class SessionTalk {
  readonly #parts: SessionTalkParts;
  readonly #subjects: ReturnType<typeof replicaSubjects>;
  readonly #subscriptions: readonly Subscription[];
  /** Messages for which a stream is looked for, by name. */
  readonly #looking = new Map<string, () => void>();

  constructor(parts: SessionTalkParts) {
    this.#parts = parts;
    this.#subjects = replicaSubjects(parts.subjectPrefix);
    this.#subscriptions = [
      parts.bus.subscribe(this.#subjects.sessions, ({ body }) => this.#take(body)),
      parts.bus.subscribe(this.#subjects.tell(parts.gatewayId), ({ body }) => this.#told(body)),
    ];
  }

  changed(uid: string, change: SessionChange): void {
    this.#say({ kind: 'changed', uid, change: { ...change } });
  }

  /** For the session's stream, wherever it is open. */
  heard(uid: string, heard: Heard): void {
    if (heard.text.length <= textCharsMax) this.#say({ kind: 'heard', uid, ...heard });
  }

  /** False where no replica has the session's stream open. */
  async put(uid: string, text: string): Promise<boolean> {
    if (text.length > textCharsMax) return false;
    const exchange = randomBytes(12).toString('base64url');
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#looking.set(exchange, () => resolve(true));
    const timer = this.#parts.clock.after(placedWithinMs, () => resolve(false));
    this.#say({ kind: 'put', uid, exchange, text });
    const placed = await promise;
    timer.cancel();
    this.#looking.delete(exchange);
    return placed;
  }

  noted(uid: string, noted: Noted): void {
    if (noted.paramsText.length <= textCharsMax) this.#say({ kind: 'noted', uid, ...noted });
  }

  /** Brings a client's progress to the replica that asked. */
  progressed(replica: string, uid: string, idText: string, paramsText: string): void {
    const body = { kind: 'progressed', uid, idText, paramsText };
    void this.#parts.bus.publish(this.#subjects.tell(replica), body);
  }

  async close(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  #say(body: JsonObject): void {
    const { bus, gatewayId } = this.#parts;
    void bus.publish(this.#subjects.sessions, { ...body, from: gatewayId });
  }

  #take(body: Json): void {
    if (!isJsonObject(body) || body['from'] === this.#parts.gatewayId) return;
    const { kind, uid } = body;
    if (typeof uid !== 'string') return;
    if (kind === 'changed') return this.#takeChange(uid, body['change']);
    if (kind === 'put') return this.#takePut(uid, body);
    if (kind === 'heard') return this.#takeHeard(uid, body);
    if (kind === 'noted') return this.#takeNoted(uid, body);
  }

  #takeChange(uid: string, said: Json | undefined): void {
    const change = isJsonObject(said) ? readChange(said) : undefined;
    if (change) this.#parts.changed(uid, change);
  }

  #takePut(uid: string, { from, exchange, text }: JsonObject): void {
    if (typeof from !== 'string' || typeof exchange !== 'string' || typeof text !== 'string') return;
    if (!this.#parts.put(uid, text)) return;
    void this.#parts.bus.publish(this.#subjects.tell(from), { kind: 'placed', exchange });
  }

  #takeHeard(uid: string, { server, shared, text }: JsonObject): void {
    if (typeof server === 'string' && typeof text === 'string')
      this.#parts.heard(uid, { server, shared: shared === true, text });
  }

  #takeNoted(uid: string, { method, paramsText, told }: JsonObject): void {
    if (typeof method !== 'string' || typeof paramsText !== 'string' || !Array.isArray(told)) return;
    this.#parts.noted(uid, { method, paramsText, told: told.filter((name) => typeof name === 'string') });
  }

  #told(body: Json): void {
    if (!isJsonObject(body)) return;
    const { kind, uid, exchange, idText, paramsText } = body;
    if (kind === 'placed' && typeof exchange === 'string') return this.#looking.get(exchange)?.();
    if (kind !== 'progressed' || typeof uid !== 'string') return;
    if (typeof idText === 'string' && typeof paramsText === 'string')
      this.#parts.progressed(uid, idText, paramsText);
  }
}

function readChange({ change, atMs, level, uri }: JsonObject): SessionChange | undefined {
  if (change === 'used' && typeof atMs === 'number') return { change, atMs };
  if (change === 'level' && typeof atMs === 'number' && typeof level === 'string')
    return { change, atMs, level };
  if ((change === 'watched' || change === 'unwatched') && typeof uri === 'string') return { change, uri };
  return undefined;
}
