/** Legacy sessions to one instance: one for each key, or several side by side, opened once, kept while used, bounded in number. */

import { isFault, type Fault } from '@cruvero/core';
import type { SessionTerms } from './ask.ts';
import { orCancelled, unavailable } from './faults.ts';
import { Held } from './held.ts';
import { openSession, SharedSessions } from './open-session.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { sessionHeaders, type Session } from './session.ts';
import { lowestSlot, slotKey } from './slots.ts';

/** `first`: no claim to be alone, but always the session that feeds listen on. */
export type Seat = 'own' | 'first';

export interface SessionsParts {
  readonly peer: Peer;
  readonly bounds: LinkBounds;
  readonly ports: LinkPorts;
  readonly tell: (session: Session, body: string) => Promise<void>;
  /** The server forgot a session: it may be another server now. */
  readonly onGone: () => void;
}

/** A session that is held open, whoever uses it. */
export interface Lease {
  readonly held: Held;
  readonly session: Session;
  /** Idempotent. */
  release(): void;
}

export interface TellOptions {
  /** Only where replicas do not share the session: another one has said it to those. */
  readonly unshared: boolean;
}

export class Sessions {
  readonly #held = new Map<string, Held>();
  readonly #parts: SessionsParts;
  readonly #shared: SharedSessions;
  /** Who wait for a session of their terms to be theirs alone, by key, in their order. */
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #heads = { areLate: false };
  #closed = false;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#shared = new SharedSessions(parts.peer, parts.ports);
  }

  get size(): number {
    return this.#held.size;
  }

  /**
   * Runs `work` over the session of these terms, opened on first use; callers that come meanwhile wait for the same one, or
   * get one beside it where the terms are exclusive, or wait for one where the server has no room for more. The fault says why
   * there is no session.
   */
  async use<T>(
    terms: SessionTerms,
    signal: AbortSignal,
    seat: Seat,
    work: (session: Session, held: Held) => Promise<T>,
  ): Promise<T | Fault> {
    const { clock } = this.#parts.ports;
    const untilMs = clock.monotonicMs() + this.#parts.bounds.timeoutMs;
    for (let openOnly = false; ; openOnly = true) {
      const done = await this.#useOne(terms, signal, seat, work, openOnly);
      const full = isFault(done) && done.fault === 'overloaded' && terms.exclusive && seat === 'own';
      if (!full || !(await this.#siblingFree(terms.key, signal, untilMs - clock.monotonicMs()))) return done;
    }
  }

  async #useOne<T>(
    terms: SessionTerms,
    signal: AbortSignal,
    seat: Seat,
    work: (session: Session, held: Held) => Promise<T>,
    openOnly: boolean,
  ): Promise<T | Fault> {
    const claim = terms.exclusive && seat === 'own' ? 1 : 0;
    const slot =
      claim === 0 ? 0 : lowestSlot((at) => (this.#held.get(slotKey(terms.key, at))?.claims ?? 0) > 0);
    // The lowest free slot may be one whose session has ended, and the server has no room for another.
    const open = openOnly ? this.#freeSibling(terms.key) : undefined;
    const held = open ?? this.#hold(terms, slot);
    if (isFault(held)) return held;
    held.users += 1;
    held.claims += claim;
    try {
      const session = held.session ?? (await orCancelled(held.opening, signal));
      return isFault(session) ? session : await work(session, held);
    } finally {
      held.claims -= claim;
      this.#leave(held);
      if (claim > 0) this.#wakeOne(terms.key);
    }
  }

  #freeSibling(key: string): Held | undefined {
    const free = [...this.#held.values()].find((held) => held.terms.key === key && held.claims === 0);
    if (free) this.#touch(free);
    return free;
  }

  /** False where there is none to wait for, where it took too long, or where the caller is gone. */
  async #siblingFree(key: string, signal: AbortSignal, leftMs: number): Promise<boolean> {
    const siblings = [...this.#held.values()].filter((held) => held.terms.key === key);
    if (siblings.length === 0 || leftMs <= 0 || signal.aborted) return false;
    if (siblings.some(({ claims }) => claims === 0)) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wake = (): void => resolve(true);
    const giveUp = (): void => resolve(false);
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(wake));
    const timer = this.#parts.ports.clock.after(leftMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    const freed = await promise;
    timer.cancel();
    signal.removeEventListener('abort', giveUp);
    waiting.delete(wake);
    if (waiting.size === 0) this.#waiting.delete(key);
    return freed;
  }

  #wakeOne(key: string): void {
    const waiting = this.#waiting.get(key);
    const [first] = waiting ?? [];
    if (!first) return;
    waiting?.delete(first);
    first();
  }

  /** Holds the first session of these terms until it is released. */
  async lease(terms: SessionTerms, signal: AbortSignal): Promise<Lease | Fault> {
    const held = this.#hold(terms, 0);
    if (isFault(held)) return held;
    held.users += 1;
    const session = held.session ?? (await orCancelled(held.opening, signal));
    let leased = true;
    const release = (): void => {
      if (leased) this.#leave(held);
      leased = false;
    };
    if (!isFault(session)) return { held, session, release };
    release();
    return session;
  }

  /** Drops a session that its server no longer knows, unless it was replaced meanwhile. */
  drop(held: Held): void {
    if (held.session) this.#shared.lost(held.session);
    this.#forget(held);
    held.lose();
  }

  /** Ends what is idle. */
  sweep(): void {
    const nowMs = this.#parts.ports.clock.nowMs();
    for (const held of this.#held.values()) {
      if (held.idle && nowMs - held.usedAtMs >= this.#parts.bounds.sessionIdleMs) void this.#end(held);
    }
  }

  /** Whether replicas share the first session of these terms. */
  shares(terms: SessionTerms): boolean {
    return this.#shared.serves(terms);
  }

  /** Ends the sessions of these terms, if there are any; also one that only other replicas have used. */
  async end(terms: SessionTerms): Promise<void> {
    const own = [...this.#held.values()].filter((held) => held.terms.key === terms.key);
    const ends = own.map((held) => this.#end(held, true));
    if (ends.length === 0 && this.#shared.serves(terms)) {
      const session = await this.#shared.recall(terms.key);
      if (session) ends.push(this.#sayEnd(session));
    }
    if (this.#shared.serves(terms)) this.#shared.forget(terms.key);
    await Promise.all(ends);
  }

  /** Says something in the sessions of these terms that are open; what replicas share may be open at another one only. */
  async tell(terms: SessionTerms, body: string, options: TellOptions): Promise<boolean> {
    const shared = this.#shared.serves(terms);
    if (shared && options.unshared) return false;
    const own = [...this.#held.values()].flatMap((held) =>
      held.terms.key === terms.key && held.session ? [held.session] : [],
    );
    const recalled = own.length === 0 && shared ? await this.#shared.recall(terms.key) : undefined;
    const sessions = recalled ? [recalled] : own;
    await Promise.all(sessions.map((session) => this.#parts.tell(session, body)));
    return shared && sessions.length > 0;
  }

  /** Ends all; those in use when their last request is through. */
  async endAll(): Promise<void> {
    await Promise.all([...this.#held.values()].map((held) => this.#end(held)));
  }

  /** From now on a session lives no longer than the requests over it. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.endAll();
  }

  #hold(terms: SessionTerms, slot: number): Held | Fault {
    const key = slotKey(terms.key, slot);
    const known = this.#held.get(key);
    if (known) {
      this.#touch(known);
      return known;
    }
    if (!this.#makeRoom()) {
      const detail = `all ${this.#parts.bounds.sessionsMax} sessions with it are in use`;
      return unavailable(this.#parts.peer, detail, true);
    }
    const { peer, bounds, ports, tell, onGone } = this.#parts;
    const opening = this.#open(terms, slot).then((opened) => {
      if (isFault(opened)) this.#forget(held);
      else held.session = opened;
      this.#settle(held);
      return opened;
    });
    const held: Held = new Held({
      key,
      peer,
      bounds,
      ports,
      terms,
      opening,
      tell,
      heads: this.#heads,
      onGone: () => {
        this.drop(held);
        onGone();
      },
    });
    this.#held.set(key, held);
    return held;
  }

  #touch(held: Held): void {
    held.usedAtMs = this.#parts.ports.clock.nowMs();
    this.#held.delete(held.key);
    this.#held.set(held.key, held);
  }

  async #open(terms: SessionTerms, slot: number): Promise<Session | Fault> {
    const { peer, bounds, ports } = this.#parts;
    const shared = slot === 0 && this.#shared.serves(terms);
    const recalled = shared ? await this.#shared.recall(terms.key) : undefined;
    if (recalled) return recalled;
    const opened = await openSession(peer, terms, bounds, ports);
    if (shared && !isFault(opened)) this.#shared.remember(terms.key, opened);
    return opened;
  }

  /** Least recently used first: a Map keeps insertion order, and use re-inserts. */
  #makeRoom(): boolean {
    const { sessionsMax } = this.#parts.bounds;
    if (this.#held.size < sessionsMax) return true;
    this.sweep();
    for (const held of this.#held.values()) {
      if (this.#held.size < sessionsMax) return true;
      if (held.idle) void this.#end(held);
    }
    return this.#held.size < sessionsMax;
  }

  #leave(held: Held): void {
    held.users -= 1;
    held.usedAtMs = this.#parts.ports.clock.nowMs();
    this.#settle(held);
  }

  #settle(held: Held): void {
    if ((held.leaving || this.#closed) && held.idle) void this.#end(held);
  }

  #forget(held: Held): void {
    if (this.#held.get(held.key) === held) this.#held.delete(held.key);
  }

  /** Other replicas may still use a session that is shared: it is only let go of, unless it is to end `forAll`. */
  async #end(held: Held, forAll = false): Promise<void> {
    this.#forget(held);
    held.leaving = true;
    held.forAll ||= forAll;
    held.lose();
    const { session } = held;
    if (!held.idle || !session) return;
    held.session = undefined;
    const kept = this.#shared.serves(held.terms) && held.key === slotKey(held.terms.key, 0);
    if (held.forAll || !kept) await this.#sayEnd(session);
  }

  async #sayEnd(session: Session): Promise<void> {
    const { peer, ports } = this.#parts;
    const upstream = ports.upstreams[peer.instance.transport];
    if (session.id === undefined || !upstream) return;
    await upstream.exchange({
      httpMethod: 'DELETE',
      endpoint: peer.instance.endpoint,
      headers: sessionHeaders(session),
      signal: new AbortController().signal,
      timeoutMs: endTimeoutMs,
      bytesMax: 64 << 10,
    });
  }
}

const endTimeoutMs = 2_000;
