/**
 * Legacy sessions of clients: bound to their principal and door, bounded in number, idle ones ended. The id is the session
 * itself, sealed, so that any replica with the same key goes on with it when the one that made it is gone.
 */

import { randomBytes } from 'node:crypto';
import { isJsonObject, type JsonObject, type Principal } from '@cruvero/core';
import type { Cache, Clock } from '@cruvero/ports';
import { doorKey, readDoor, type Door } from '../door.ts';
import type { Seal } from '../seal.ts';
import { ClientSession, type SessionChange, type SessionFacts } from './client-session.ts';
import { Ended } from './ended.ts';

export interface SessionBounds {
  readonly sessionsMax: number;
  readonly sessionsPerPrincipalMax: number;
  readonly sessionIdleMs: number;
}

export interface SessionParts {
  readonly clock: Clock;
  readonly seal: Seal;
  /** What changes in a session, for the other replicas; without it that is lost with its replica. */
  readonly shared?: Cache | undefined;
  /** Told when a session ends by its client's wish, so that other replicas end it too. */
  readonly onEnd?: ((uid: string) => void) | undefined;
  /** Told what changes in a session, so that other replicas which have it go along. */
  readonly onChange?: ((uid: string, change: SessionChange) => void) | undefined;
  /** Told before a session that never comes back is closed, with what it has under way still in it. */
  readonly onOver?: ((session: ClientSession) => void) | undefined;
}

/** No session lives longer, however often it is used: its id could otherwise be used for ever. */
export const sessionAgeMsMax = 7 * 86_400_000;

export class ClientSessions {
  readonly #sessions = new Map<string, ClientSession>();
  readonly #byUid = new Map<string, ClientSession>();
  readonly #perPrincipal = new Map<string, number>();
  readonly #ended: Ended;
  readonly #bounds: SessionBounds;
  readonly #parts: SessionParts;

  constructor(bounds: SessionBounds, parts: SessionParts) {
    this.#bounds = bounds;
    this.#parts = parts;
    this.#ended = new Ended(parts.clock, sessionAgeMsMax);
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The one idle longest makes room for a new one: of the same principal, where that one has too many. */
  open(facts: SessionFacts): ClientSession {
    const nowMs = this.#parts.clock.nowMs();
    const uid = randomBytes(12).toString('base64url');
    const id = this.#parts.seal.seal('session', sealedText(uid, nowMs, facts));
    const session = new ClientSession(id, uid, facts, nowMs);
    this.#keep(session);
    this.#write(session);
    return session;
  }

  /** Undefined where this replica holds none of that id for this principal at this door: all three look alike from outside. */
  find(id: string, principal: Principal, door: Door): ClientSession | undefined {
    const session = this.#sessions.get(id);
    if (!session || !fits(session.facts, principal, door)) return undefined;
    if (this.#isAged(session)) {
      this.#expire(session);
      return undefined;
    }
    this.#use(session);
    return session;
  }

  /** A session that another replica made, or that this one had to forget. */
  async revive(id: string, principal: Principal, door: Door): Promise<ClientSession | undefined> {
    const opened = this.#opened(id, principal, door);
    if (!opened) return undefined;
    const kept = await this.#parts.shared?.get(sharedKey(opened.uid));
    // Requests that came together revive it together.
    const meanwhile = this.find(id, principal, door);
    if (meanwhile) return meanwhile;
    if (this.#ended.has(opened.uid)) return undefined;
    const state = readShared(kept);
    const nowMs = this.#parts.clock.nowMs();
    // It may have been used for so long after that was written down.
    const idleMs = this.#bounds.sessionIdleMs + this.#shareEveryMs;
    if (state.ended || (state.usedAtMs !== undefined && nowMs - state.usedAtMs >= idleMs)) return undefined;
    const session = new ClientSession(id, opened.uid, opened.facts, opened.openedAtMs, nowMs);
    session.logLevel = state.logLevel;
    for (const uri of state.uris) session.work().uris.add(uri);
    this.#keep(session);
    session.sharedAtMs = state.usedAtMs ?? 0;
    this.#used(session);
    return session;
  }

  /** The session of this short name, where this replica has it. */
  byUid(uid: string): ClientSession | undefined {
    return this.#byUid.get(uid);
  }

  /** Tells the other replicas what changed here, and writes it down for those that have not met the session yet. */
  changed(session: ClientSession, change: SessionChange): void {
    this.#write(session);
    this.#parts.onChange?.(session.uid, change);
  }

  /** Another replica said so. The session where this one has it, and did not know it yet. */
  changedElsewhere(uid: string, change: SessionChange): ClientSession | undefined {
    const session = this.#byUid.get(uid);
    return session && follow(session, change) ? session : undefined;
  }

  /** By its client's wish: it is gone everywhere. */
  end(session: ClientSession): void {
    this.#over(session);
    this.#ended.add(session.uid);
    this.#writeEnd(session);
    this.#parts.onEnd?.(session.uid);
  }

  /** Another replica was told so. */
  endedElsewhere(uid: string): void {
    this.#ended.add(uid);
    const session = this.#byUid.get(uid);
    if (!session) return;
    this.#over(session);
    // A use here may have been written down behind its end.
    this.#writeEnd(session);
  }

  /** A session with an open stream, or with a call under way, is in use. */
  sweep(): void {
    const nowMs = this.#parts.clock.nowMs();
    for (const session of this.#sessions.values()) {
      session.events?.sweep(nowMs);
      if (this.#isAged(session)) this.#expire(session);
      else if (session.isBusy()) this.#used(session);
      else if (this.#isIdle(session)) void this.#expireUnlessUsed(session);
    }
    this.#ended.sweep();
  }

  /** Clients are to listen elsewhere; their calls go on. */
  endStreams(): void {
    for (const session of this.#sessions.values()) session.stream?.end();
  }

  closeAll(): void {
    for (const session of this.#sessions.values()) this.#drop(session);
  }

  #opened(id: string, principal: Principal, door: Door) {
    const text = this.#parts.seal.open('session', id);
    const opened = text === undefined ? undefined : readSealed(text, principal);
    if (!opened || !fits(opened.facts, principal, door) || this.#ended.has(opened.uid)) return undefined;
    return this.#parts.clock.nowMs() - opened.openedAtMs < sessionAgeMsMax ? opened : undefined;
  }

  #keep(session: ClientSession): void {
    const owner = ownerKey(session.facts.principal);
    const own = this.#perPrincipal.get(owner) ?? 0;
    const crowded = own >= this.#bounds.sessionsPerPrincipalMax;
    const oldest = crowded
      ? this.#idleLongest(owner)
      : this.#sessions.size >= this.#bounds.sessionsMax
        ? this.#idleLongest(undefined)
        : undefined;
    if (oldest) this.#drop(oldest);
    this.#sessions.set(session.id, session);
    this.#byUid.set(session.uid, session);
    this.#perPrincipal.set(owner, (this.#perPrincipal.get(owner) ?? 0) + 1);
  }

  #use(session: ClientSession): void {
    this.#used(session);
    // A Map keeps insertion order: the first one is the one unused for longest.
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  #used(session: ClientSession): void {
    const nowMs = this.#parts.clock.nowMs();
    session.usedAtMs = nowMs;
    if (nowMs - session.sharedAtMs < this.#shareEveryMs) return;
    this.changed(session, { change: 'used', atMs: nowMs });
  }

  /** Often enough that no replica takes for idle what another one uses, and not with every request. */
  get #shareEveryMs(): number {
    return this.#bounds.sessionIdleMs / 4;
  }

  #isAged({ openedAtMs }: ClientSession): boolean {
    return this.#parts.clock.nowMs() - openedAtMs >= sessionAgeMsMax;
  }

  #isIdle({ usedAtMs }: ClientSession): boolean {
    return this.#parts.clock.nowMs() - usedAtMs >= this.#bounds.sessionIdleMs;
  }

  /** What another replica said of it may have been lost on the way. */
  async #expireUnlessUsed(session: ClientSession): Promise<void> {
    const { shared } = this.#parts;
    if (shared) {
      const { usedAtMs = 0 } = readShared(await shared.get(sharedKey(session.uid)));
      session.usedAtMs = Math.max(session.usedAtMs, usedAtMs);
      if (!this.#isIdle(session) || session.isBusy() || this.#byUid.get(session.uid) !== session) return;
    }
    this.#expire(session);
  }

  #expire(session: ClientSession): void {
    this.#over(session);
    this.#ended.add(session.uid);
  }

  /** One in use goes only if all are. */
  #idleLongest(owner: string | undefined): ClientSession | undefined {
    let first: ClientSession | undefined;
    for (const session of this.#sessions.values()) {
      if (owner !== undefined && ownerKey(session.facts.principal) !== owner) continue;
      if (!session.isBusy()) return session;
      first ??= session;
    }
    return first;
  }

  #over(session: ClientSession): void {
    this.#parts.onOver?.(session);
    this.#drop(session);
  }

  #drop(session: ClientSession): void {
    if (!this.#sessions.delete(session.id)) return;
    this.#byUid.delete(session.uid);
    const owner = ownerKey(session.facts.principal);
    const left = (this.#perPrincipal.get(owner) ?? 1) - 1;
    if (left > 0) this.#perPrincipal.set(owner, left);
    else this.#perPrincipal.delete(owner);
    session.close();
  }

  #write(session: ClientSession): void {
    session.sharedAtMs = session.usedAtMs;
    const { shared } = this.#parts;
    if (!shared) return;
    const uris = [...(session.workIfAny()?.uris ?? [])];
    const state = { usedAtMs: session.usedAtMs, logLevel: session.logLevel, uris };
    void shared.set(sharedKey(session.uid), JSON.stringify(state), sessionAgeMsMax);
  }

  #writeEnd({ uid }: ClientSession): void {
    void this.#parts.shared?.set(sharedKey(uid), '{"ended":true}', sessionAgeMsMax);
  }
}

/** True where it was news. */
function follow(session: ClientSession, said: SessionChange): boolean {
  switch (said.change) {
    case 'used':
      if (said.atMs <= session.usedAtMs) return false;
      session.usedAtMs = said.atMs;
      session.sharedAtMs = Math.max(session.sharedAtMs, said.atMs);
      return true;
    case 'level':
      if (said.atMs < session.logLevelAtMs) return false;
      session.logLevelAtMs = said.atMs;
      session.logLevel = said.level;
      return true;
    case 'watched': {
      const { uris } = session.work();
      if (uris.has(said.uri)) return false;
      uris.add(said.uri);
      return true;
    }
    case 'unwatched':
      return session.workIfAny()?.uris.delete(said.uri) ?? false;
  }
}

const sharedKey = (uid: string): string => `session/${uid}`;

/** What other replicas know of a session; nothing where the shared store has nothing, or is away. */
function readShared(text: string | undefined) {
  const nothing = { ended: false, usedAtMs: undefined, logLevel: undefined, uris: [] as string[] };
  if (text === undefined) return nothing;
  try {
    const state: unknown = JSON.parse(text);
    if (!isJsonObject(state)) return nothing;
    const { usedAtMs, logLevel, uris } = state;
    return {
      ended: state['ended'] === true,
      usedAtMs: typeof usedAtMs === 'number' ? usedAtMs : undefined,
      logLevel: typeof logLevel === 'string' ? logLevel : undefined,
      uris: Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : [],
    };
  } catch {
    return nothing;
  }
}

function sealedText(uid: string, openedAtMs: number, facts: SessionFacts): string {
  const { tenantId, name } = facts.principal;
  const { version, clientCapabilities, clientInfo } = facts;
  return JSON.stringify([
    uid,
    openedAtMs,
    tenantId,
    name,
    doorKey(facts.door),
    version,
    clientCapabilities,
    clientInfo,
  ]);
}

/** What was sealed here is what it was; only whether the principal is the same has to be looked at. */
function readSealed(text: string, principal: Principal) {
  const sealed = JSON.parse(text) as [string, number, string, string, string, string, JsonObject, JsonObject];
  const [uid, openedAtMs, tenantId, name, door, version, clientCapabilities, clientInfo] = sealed;
  const at = readDoor(door);
  if (tenantId !== principal.tenantId || name !== principal.name || !at) return undefined;
  return { uid, openedAtMs, facts: { principal, door: at, version, clientCapabilities, clientInfo } };
}

function fits(facts: SessionFacts, principal: Principal, door: Door): boolean {
  return ownerKey(facts.principal) === ownerKey(principal) && doorKey(facts.door) === doorKey(door);
}

/** Tenants have no slash in their ids. */
export function ownerKey({ tenantId, name }: Principal): string {
  return `${tenantId}/${name}`;
}
