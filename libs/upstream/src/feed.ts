/** A feed: listens to a server in its era, and begins again when it was lost, until it is closed. */

import { isFault, type Fault, type Reply, type ServerFace } from '@cruvero/core';
import type { Clock, Random } from '@cruvero/ports';
import type { Feed, ListenEvents } from './ask.ts';
import { backoffMs, pause } from './backoff.ts';
import { orCancelled } from './faults.ts';
import type { Hearing, HearingEvents, Over } from './hearing.ts';

export interface FeedParts {
  readonly events: ListenEvents;
  readonly clock: Clock;
  readonly random: Random;
  /** Asks a server that says nothing unasked again after so long. */
  readonly unsupportedMs: number;
  readonly face: () => Promise<ServerFace | Fault>;
  /** What stands there may speak another era now. */
  readonly forgetFace: () => void;
  readonly hearing: (face: ServerFace, events: HearingEvents) => Hearing;
  readonly onClosed: () => void;
}

/** A feed that was open for so long was good; it begins again without much delay. */
const goodAfterMs = 5_000;

export class LiveFeed implements Feed {
  readonly #parts: FeedParts;
  readonly #end = new AbortController();
  #wake = new AbortController();
  #hearing: Hearing | undefined;
  #everOpen = false;
  /** Through which it was open last. */
  #heardBy: Hearing | undefined;

  constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  /** Until it is closed. */
  async run(): Promise<void> {
    const { clock, random } = this.#parts;
    for (let failures = 0; !this.#end.signal.aborted; failures += 1) {
      const sinceMs = clock.monotonicMs();
      const over = await this.#hearOnce();
      if (this.#end.signal.aborted) return;
      if (clock.monotonicMs() - sinceMs >= goodAfterMs) failures = 0;
      if (over.over === 'lost') {
        this.#parts.events.onState({ at: 'waiting', fault: over.fault });
        await this.#rest(backoffMs(failures, random));
      } else if (await this.#isDeaf()) {
        this.#parts.events.onState({ at: 'unsupported' });
        await this.#rest(this.#parts.unsupportedMs);
        failures = 0;
      } else {
        await this.#rest(backoffMs(failures, random));
      }
    }
  }

  async #hearOnce(): Promise<Over> {
    const face = await orCancelled(this.#parts.face(), this.#end.signal);
    if (isFault(face)) return { over: 'lost', fault: face };
    const hearing = this.#hear(face);
    const over = await hearing.run();
    if (this.#hearing === hearing) this.#hearing = undefined;
    hearing.close();
    return over;
  }

  /** A server that is another one now gets its turn; one that says so for the second time is believed. */
  async #isDeaf(): Promise<boolean> {
    this.#parts.forgetFace();
    const face = await orCancelled(this.#parts.face(), this.#end.signal);
    return !isFault(face) && face.era === 'modern';
  }

  /** The one that there is, or a new one. */
  #hear(face: ServerFace): Hearing {
    if (this.#hearing?.era === face.era) return this.#hearing;
    this.#hearing?.close();
    const { events } = this.#parts;
    const hearing: Hearing = this.#parts.hearing(face, {
      onNotification: (text) => {
        if (!this.#end.signal.aborted) events.onNotification(text);
      },
      onOpen: (missed) => this.#opened(hearing, missed),
      onWaiting: (fault) => events.onState({ at: 'waiting', fault }),
      onUnsupported: () => events.onState({ at: 'unsupported' }),
    });
    this.#hearing = hearing;
    return hearing;
  }

  #opened(hearing: Hearing, missed: boolean): void {
    const { events } = this.#parts;
    const gap = this.#everOpen && (missed || this.#heardBy !== hearing);
    this.#everOpen = true;
    this.#heardBy = hearing;
    events.onState({ at: 'open' });
    if (gap) events.onGap();
  }

  /** Shorter where a subscription shows that the server is there again. */
  async #rest(delayMs: number): Promise<void> {
    this.#wake = new AbortController();
    await pause(delayMs, this.#parts.clock, this.#wake.signal);
  }

  subscribe(uri: string, abort: AbortController): Promise<Reply | Fault> {
    return this.#through(abort, (hearing) => hearing.subscribe(uri, abort.signal));
  }

  unsubscribe(uri: string, abort: AbortController): Promise<Reply | Fault> {
    return this.#through(abort, (hearing) => hearing.unsubscribe(uri, abort.signal));
  }

  setLogLevel(level: string, abort: AbortController): Promise<Reply | Fault> {
    return this.#through(abort, (hearing) => hearing.setLogLevel(level, abort.signal));
  }

  async #through(
    abort: AbortController,
    work: (hearing: Hearing) => Promise<Reply | Fault>,
  ): Promise<Reply | Fault> {
    for (let attempt = 0; ; attempt += 1) {
      if (this.#end.signal.aborted) return { fault: 'cancelled' };
      const face = await orCancelled(this.#parts.face(), abort.signal);
      if (isFault(face)) return face;
      const reply = await work(this.#hear(face));
      if (!isFault(reply)) this.#wake.abort();
      // lost in the middle of it, and not by its caller
      const lost = isFault(reply) && reply.fault === 'cancelled' && !abort.signal.aborted;
      if (!lost || attempt > 0) return reply;
    }
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#wake.abort();
    this.#hearing?.close();
    this.#parts.onClosed();
  }
}
