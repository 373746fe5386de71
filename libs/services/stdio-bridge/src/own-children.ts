/** The own children of one instance: so many and no more, the one idle longest makes room. */

import type { CommandServer } from './entry.ts';
import { OwnChild, type OwnChildParts } from './own-child.ts';
import type { QuestionOutcome } from './questions.ts';
import type { BridgeSession, BridgeSessions } from './sessions.ts';
import type { SpawnParts } from './spawn.ts';

export interface OwnChildrenEvents {
  /** A session could not have one. */
  onRefused(): void;
  onDeath(): void;
  onQuestion(outcome: QuestionOutcome): void;
}

export class OwnChildren {
  readonly #entry: CommandServer;
  readonly #sessions: BridgeSessions<OwnChild>;
  readonly #parts: SpawnParts;
  readonly #events: OwnChildrenEvents;
  readonly #living = new Set<OwnChild>();
  readonly #leaving = new Set<Promise<unknown>>();
  #lastQuestion = 0;
  #lastOwn = 0;

  constructor(
    entry: CommandServer,
    sessions: BridgeSessions<OwnChild>,
    parts: SpawnParts,
    events: OwnChildrenEvents,
  ) {
    this.#entry = entry;
    this.#sessions = sessions;
    this.#parts = parts;
    this.#events = events;
  }

  get size(): number {
    return this.#living.size;
  }

  /** Requests that they have not answered yet. */
  get pending(): number {
    let pending = 0;
    for (const { conversation } of this.#living) pending += conversation.pending;
    return pending;
  }

  /** A child for this session; undefined where there are too many and all are in use, or where the session has ended. */
  async start(session: BridgeSession<OwnChild>): Promise<OwnChild | undefined> {
    const { ownChildrenMax: max } = this.#parts.bounds;
    // Those that are being stopped take room too: sessions that come and go must not heap up processes.
    while (max > 0 && this.#leaving.size >= max) await Promise.race(this.#leaving);
    if (this.#sessions.get(session.id) !== session) return undefined;
    if (max === 0 || (this.#living.size >= max && !this.#sessions.evictOwn())) return this.#refuse(max);
    const own: OwnChild = new OwnChild(
      session,
      this.#entry,
      this.#partsFor(session, () => own),
    );
    session.own = own;
    this.#living.add(own);
    this.#parts.log.info('own child started', { pid: own.pid, own_children: this.#living.size });
    return own;
  }

  #refuse(max: number): undefined {
    this.#events.onRefused();
    // At 0 it is meant so.
    if (max === 0) return;
    const message = 'all own children are in use: a client that can be asked is told to come again';
    this.#parts.log.warn(message, { own_children_max: max });
  }

  #partsFor(session: BridgeSession, own: () => OwnChild): OwnChildParts {
    const log = this.#parts.log.with({ own_child: (this.#lastOwn += 1) });
    return {
      ...this.#parts,
      log,
      newQuestionNumber: () => (this.#lastQuestion += 1),
      countQuestion: (outcome) => this.#events.onQuestion(outcome),
      onDeath: (reason) => {
        log.warn('own child died; its session is over', { reason, pid: own().pid });
        this.#events.onDeath();
        this.#sessions.end(session.id);
      },
    };
  }

  /** Its session is over, and it has been told to end. */
  leave(own: OwnChild): void {
    if (!this.#living.delete(own)) return;
    const gone: Promise<unknown> = own.gone.finally(() => this.#leaving.delete(gone));
    this.#leaving.add(gone);
  }

  /** Resolves when no call is under way with any of them. */
  async idle(): Promise<void> {
    await Promise.all([...this.#living].map(({ conversation }) => conversation.idle()));
  }

  /** Resolves when those that were told to end are gone. */
  async gone(): Promise<void> {
    await Promise.all(this.#leaving);
  }
}
