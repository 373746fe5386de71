/** One supervised child: spawned, greeted, listed, started again when it dies, and taken away cleanly. */

import type { InstanceId, JsonObject, ServerName } from '@cruvero/core';
import type { Child, ChildExit, ChildUsage, Random, Timer } from '@cruvero/ports';
import type { Conversation, ConversationEvents } from './conversation.ts';
import type { CommandServer } from './entry.ts';
import { greet, type ChildFace } from './handshake.ts';
import { listChild, type Listing } from './listing.ts';
import { LogLevels } from './log-levels.ts';
import type { OwnChild } from './own-child.ts';
import { OwnChildren, type OwnChildrenEvents } from './own-children.ts';
import { askChild } from './own-request.ts';
import { childParam } from './remap.ts';
import { BridgeSessions, type BridgeSession } from './sessions.ts';
import { describeExit, spawnChild, type SpawnParts } from './spawn.ts';
import { Subscriptions } from './subscriptions.ts';
import { startSupervision, stepSupervision, type Supervision, type SupervisionEvent } from './supervision.ts';

/** A child that answers. */
export interface Live {
  readonly conversation: Conversation;
  readonly face: ChildFace;
}

export interface InstanceParts extends SpawnParts {
  readonly random: Random;
  /** 128 bits that nobody can guess. */
  readonly newSessionId: () => string;
  /** The result for a request of the child, as JSON; undefined refuses it. */
  readonly onChildRequest?: (server: ServerName, method: string, text: string) => string | undefined;
  /** A child answers and its tools are known, for the first time or again. */
  readonly onListed: (instance: Instance, listing: Listing) => void;
  readonly onDeath: (instance: Instance) => void;
  readonly ownChildren: OwnChildrenEvents;
}

/** Several list_changed in a row are one. */
const relistQuietMs = 200;
const listChanged = /^notifications\/(?:tools|prompts|resources)\/list_changed$/;

export class Instance {
  readonly server: ServerName;
  readonly id: InstanceId;
  readonly entry: CommandServer;
  readonly sessions: BridgeSessions<OwnChild>;
  readonly ownChildren: OwnChildren;
  /** What the child holds for sessions that use it together. */
  readonly levels = new LogLevels();
  readonly subscriptions: Subscriptions;
  restarts = 0;
  #state: Supervision;
  #draining = false;
  #child: Child | undefined;
  #live: Live | undefined;
  #era: ChildFace['era'] | undefined;
  #diedProbing = false;
  #problem: string | undefined;
  #due: Timer | undefined;
  #relist: Timer | undefined;
  readonly #sweep: Timer;
  readonly #parts: InstanceParts;
  readonly #waiters = new Set<(live: Live | undefined) => void>();
  readonly #settled = Promise.withResolvers<'discovered' | 'failed'>();
  readonly #discovered = Promise.withResolvers<boolean>();

  constructor(entry: CommandServer, id: InstanceId, parts: InstanceParts) {
    this.server = entry.name;
    this.id = id;
    this.entry = entry;
    this.#parts = parts;
    this.sessions = new BridgeSessions(parts.bounds, parts.newSessionId, (session) =>
      this.#sessionEnded(session),
    );
    this.ownChildren = new OwnChildren(entry, this.sessions, parts, parts.ownChildren);
    this.subscriptions = new Subscriptions(parts.bounds.subscriptionsMax);
    this.#state = startSupervision(parts.clock.monotonicMs());
    this.#sweep = parts.clock.every(60_000, () => this.sessions.sweep(parts.clock.monotonicMs()));
    this.#spawn();
  }

  get state(): Supervision['at'] | 'draining' {
    return this.#draining && this.#state.at !== 'stopped' ? 'draining' : this.#state.at;
  }

  /** Why it does not run, where it does not. */
  get reason(): string | undefined {
    return 'reason' in this.#state ? this.#state.reason : undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get era(): ChildFace['era'] | undefined {
    return this.#live?.face.era;
  }

  /** Requests that its children have not answered yet. */
  get pending(): number {
    return (this.#live?.conversation.pending ?? 0) + this.ownChildren.pending;
  }

  /** It takes no new requests any more. */
  get draining(): boolean {
    return this.#draining;
  }

  /** 0 while it does not answer. */
  get uptimeMs(): number {
    return this.#state.at === 'running' ? this.#parts.clock.monotonicMs() - this.#state.startedMs : 0;
  }

  usage(): ChildUsage | undefined {
    return this.#child?.usage();
  }

  /** Resolves when it was discovered, or has failed or been stopped before that. */
  get settled(): Promise<'discovered' | 'failed'> {
    return this.#settled.promise;
  }

  /** Resolves true when it was discovered, however often it failed before; false where it was stopped first. */
  get discovered(): Promise<boolean> {
    return this.#discovered.promise;
  }

  /** The child that answers; waits for one that is being started, at most `waitMs`. Undefined where there is none. */
  live(waitMs: number, signal: AbortSignal): Promise<Live | undefined> {
    if (this.#live || this.#draining || this.#state.at === 'failed' || this.#state.at === 'stopped') {
      return Promise.resolve(this.#draining ? undefined : this.#live);
    }
    if (this.#waiters.size >= this.#parts.bounds.respawnWaitersMax) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const done = (live: Live | undefined): void => {
        this.#waiters.delete(done);
        timer.cancel();
        signal.removeEventListener('abort', onAbort);
        resolve(live);
      };
      const onAbort = (): void => done(undefined);
      const timer = this.#parts.clock.after(waitMs, onAbort);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(done);
    });
  }

  #step(event: SupervisionEvent): void {
    const { clock, random, bounds } = this.#parts;
    const before = this.#state;
    this.#state = stepSupervision(before, event, clock.monotonicMs(), random(), bounds.supervision);
    const state = this.#state;
    if (state === before) return;
    this.#due?.cancel();
    if (state.at === 'starting') this.#spawn();
    if (state.at === 'backing_off' || state.at === 'failed') {
      this.#arm(state.untilMs);
      this.#settled.resolve('failed');
      const waitMs = Math.round(state.untilMs - clock.monotonicMs());
      this.#parts.log.warn('child is down', { reason: state.reason, wait_ms: waitMs, state: state.at });
    }
    if (state.at === 'failed') for (const waiter of [...this.#waiters]) waiter(undefined);
  }

  /** Timers of an operating system may fire a moment early. */
  #arm(untilMs: number): void {
    const { clock } = this.#parts;
    this.#due = clock.after(Math.max(1, untilMs - clock.monotonicMs()), () => {
      if (clock.monotonicMs() < untilMs) this.#arm(untilMs);
      else this.#step({ event: 'due' });
    });
  }

  #spawn(): void {
    this.#problem = undefined;
    const { child, conversation } = spawnChild(this.entry, this.#parts, this.#listener(), (exit, spoken) =>
      this.#died(spoken, exit),
    );
    this.#child = child;
    void this.#introduce(child, conversation);
  }

  /** What the child says of its own accord; it asks nobody, for nobody here is its only client. */
  #listener(): Omit<ConversationEvents, 'onNoise'> {
    const { onChildRequest } = this.#parts;
    return {
      onNotification: (method, text, session) => {
        this.sessions.tell(text, session, this.#listeners(method, text));
        if (listChanged.test(method)) this.#relistSoon();
      },
      admitsLog: (text, session) =>
        session === undefined || this.levels.admits(session, childParam(text, 'level')),
      onChildRequest: ({ method, text }) => {
        const result = onChildRequest?.(this.server, method, text);
        return result === undefined ? 'refused' : { result };
      },
      onChildCancelled: () => undefined,
    };
  }

  /** Who of the sessions wants a notification. */
  #listeners(method: string, text: string): ((session: string) => boolean) | undefined {
    if (method === 'notifications/message') {
      const level = childParam(text, 'level');
      return (session) => this.levels.admits(session, level);
    }
    if (method !== 'notifications/resources/updated') return undefined;
    const uri = childParam(text, 'uri');
    return (session) => uri !== undefined && this.subscriptions.wants(session, uri);
  }

  /** What the child held for it alone is taken back. */
  #sessionEnded({ id, own }: BridgeSession<OwnChild>): void {
    if (own) return this.ownChildren.leave(own);
    const level = this.levels.leave(id);
    const uris = this.subscriptions.leave(id);
    if (this.#draining) return;
    if (level !== undefined) this.tellChild('logging/setLevel', { level });
    for (const uri of uris) this.tellChild('resources/unsubscribe', { uri });
  }

  /** A request of the bridge itself, whose answer changes nothing. */
  tellChild(method: 'logging/setLevel' | 'resources/unsubscribe', params: JsonObject): void {
    const { bounds, clock } = this.#parts;
    const conversation = this.#live?.conversation;
    if (conversation)
      void askChild(conversation, method, JSON.stringify(params), bounds.listTimeoutMs, clock);
  }

  async #introduce(child: Child, conversation: Conversation): Promise<void> {
    const { bounds, clock } = this.#parts;
    const probe = this.#era !== 'legacy' && !this.#diedProbing;
    // Cleared when it survives: a child that a question kills is not asked it the next time.
    this.#diedProbing = probe;
    const face = await greet(conversation, probe, clock, bounds);
    if (child !== this.#child || this.#state.at !== 'starting') return;
    this.#diedProbing = false;
    const listing = 'problem' in face ? face : await listChild(conversation, face, clock, bounds);
    if (child !== this.#child || this.#state.at !== 'starting') return;
    if ('problem' in face || 'problem' in listing) {
      this.#problem = 'problem' in listing ? listing.problem : undefined;
      this.#era = undefined;
      await child.stop(bounds.stopGraceMs);
      return;
    }
    this.#era = face.era;
    const isRespawn = this.restarts > 0;
    this.#live = { conversation, face };
    this.#step({ event: 'discovered' });
    this.#parts.onListed(this, listing);
    this.#settled.resolve('discovered');
    this.#discovered.resolve(true);
    if (isRespawn && face.capabilities['tools'] !== undefined) {
      this.sessions.tell('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}', undefined);
    }
    for (const waiter of [...this.#waiters]) waiter(this.#live);
  }

  #died(conversation: Conversation, exit: ChildExit): void {
    if (this.#state.at === 'stopped' || this.#draining) {
      this.#live = undefined;
      conversation.end('the server is being stopped');
      return;
    }
    const reason = this.#problem ?? describeExit(exit);
    this.#live = undefined;
    this.#child = undefined;
    this.#relist?.cancel();
    this.restarts += 1;
    this.#parts.onDeath(this);
    this.sessions.childDied((id) => this.levels.has(id) || this.subscriptions.has(id));
    this.levels.forget();
    this.subscriptions.forget();
    conversation.end(reason);
    this.#step({ event: 'died', reason });
  }

  #relistSoon(): void {
    this.#relist?.cancel();
    this.#relist = this.#parts.clock.after(relistQuietMs, () => void this.#list());
  }

  async #list(): Promise<void> {
    const live = this.#live;
    if (this.#draining) return;
    // It changed while it was being listed for the first time.
    if (!live) return this.#state.at === 'starting' ? this.#relistSoon() : undefined;
    const listing = await listChild(live.conversation, live.face, this.#parts.clock, this.#parts.bounds);
    if (live !== this.#live || this.#draining) return;
    if ('problem' in listing)
      this.#parts.log.warn('tools could not be listed again', { reason: listing.problem });
    else this.#parts.onListed(this, listing);
  }

  /** Takes no new requests, lets running ones end within `drainMs`, then stops the child. Never rejects. */
  async stop(): Promise<void> {
    const { bounds, clock } = this.#parts;
    this.#draining = true;
    this.#due?.cancel();
    this.#relist?.cancel();
    this.#sweep.cancel();
    for (const waiter of [...this.#waiters]) waiter(undefined);
    const conversation = this.#live?.conversation;
    const bound = Promise.withResolvers<void>();
    const timer = clock.after(bounds.drainMs, () => bound.resolve());
    const idle = Promise.all([conversation?.idle(), this.ownChildren.idle()]);
    await Promise.race([idle, bound.promise]);
    timer.cancel();
    this.#state = { at: 'stopped' };
    this.#settled.resolve('failed');
    this.#discovered.resolve(false);
    this.sessions.endAll();
    conversation?.endSubscriptions();
    await Promise.all([this.#child?.stop(bounds.stopGraceMs), this.ownChildren.gone()]);
    conversation?.end('the server is being stopped');
    this.#live = undefined;
  }
}
