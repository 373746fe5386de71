/** Tells the bus of one server for as long as it answers: announced until stored, heartbeats, deregistered at the end. */

import { decode, isDecodeProblem, lifecycleSubjects, streams, verdictSchema } from '@cruvero/contracts';
import { isFault, type Fault, type Json } from '@cruvero/core';
import { mayBeStored, type BusFault, type Clock, type Random, type Subscription } from '@cruvero/ports';
import type { UpstreamLink } from '@cruvero/upstream';
import { look, reasonOf, type Offer } from './discovery.ts';
import type { AnnounceBus } from './gateway-bus.ts';
import { announceEvent, deregisterEvent, heartbeatEvent, type Announced, type Event } from './events.ts';

export interface AnnouncerParts {
  readonly bus: AnnounceBus;
  /** What the bus is called in sentences: NATS, or the gateway's address. */
  readonly busName: string;
  readonly prefix: string;
  readonly link: UpstreamLink;
  readonly clock: Clock;
  readonly random: Random;
  /** A sentence for the person at the terminal. */
  readonly say: (sentence: string) => void;
  /** The one line for programs. */
  readonly out: (line: string) => void;
  /** Why there is no use in waiting for the server any longer; undefined while there is. */
  readonly hopeless: () => string | undefined;
  /** The server, as a person knows it: its address or its command. */
  readonly shown: string;
}

const firstWaitMs = 250;
const waitMsMax = 5_000;
const deregisterMsMax = 3_000;
/** Announced again after so many heartbeats, so that a registry that lost everything finds it again. */
const announceEveryBeats = 20;

export class Announcer {
  readonly #who: Announced;
  readonly #parts: AnnouncerParts;
  readonly #subjects: ReturnType<typeof lifecycleSubjects>;
  #announcedHash: string | undefined;
  /** The announcement under way. */
  #sending: Promise<unknown> | undefined;
  /** An announcement may be in the stream, though nobody confirmed it. */
  #mayBeKnown = false;
  #mustAnnounce = false;
  #streamMade = false;
  #seq = 0;
  #beatsSince = 0;
  /** The last thing said about waiting, so that it is not said again and again. */
  #waitingFor: string | undefined;
  #wake: (() => void) | undefined;

  constructor(who: Announced, parts: AnnouncerParts) {
    this.#who = who;
    this.#parts = parts;
    this.#subjects = lifecycleSubjects(parts.prefix);
  }

  /** Until the signal, or until it is announced where no heartbeats were promised. Throws where there is no hope. */
  async run(signal: AbortSignal): Promise<void> {
    const listening = this.#listen();
    const stopped = Promise.withResolvers<void>();
    const stop = (): void => {
      stopped.resolve();
      this.#wake?.();
    };
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      // a server that answers slowly must not hold up the end
      await Promise.race([this.#live(signal), stopped.promise]);
      if (signal.aborted) await this.#deregister();
    } finally {
      signal.removeEventListener('abort', stop);
      await Promise.all(listening.map((one) => one.close()));
      await this.#parts.link.close();
    }
  }

  async #live(signal: AbortSignal): Promise<void> {
    await this.#firstAnnouncement(signal);
    const { heartbeatMs } = this.#who;
    if (heartbeatMs === undefined) return;
    while (!signal.aborted) {
      await this.#pause(this.#mustAnnounce ? 0 : heartbeatMs, signal);
      if (!signal.aborted) await this.#beat(signal);
    }
  }

  /** The stream may have been lost with its server; and who was taken for dead has to introduce itself again. */
  #listen(): readonly Subscription[] {
    const again = (): void => {
      this.#streamMade = false;
      this.#mustAnnounce = true;
      this.#wake?.();
    };
    const { bus } = this.#parts;
    return [
      bus.onState((state) => state === 'connected' && again()),
      bus.subscribe(this.#subjects.verdict, ({ body }) => {
        if (this.#isOurEnd(body)) again();
      }),
    ];
  }

  #isOurEnd(body: Json): boolean {
    const verdict = decode(verdictSchema, body);
    if (isDecodeProblem(verdict) || verdict.payload.new_status !== 'expired') return false;
    const { server, instance_id: instanceId } = verdict.payload;
    const sameTenant = this.#who.tenantId === undefined || this.#who.tenantId === verdict.tenant_id;
    return server === this.#who.server && instanceId === this.#who.instanceId && sameTenant;
  }

  async #firstAnnouncement(signal: AbortSignal): Promise<void> {
    let waitMs = firstWaitMs;
    while (!signal.aborted) {
      const offer = await look(this.#parts.link);
      if (!isFault(offer)) {
        const stored = await this.#announce(offer, signal);
        if (stored)
          this.#parts.out(
            `announced ${this.#who.server} ${this.#who.instanceId} ${offer.tools.length} tools`,
          );
        return;
      }
      this.#sayWaiting(`Waiting for ${this.#parts.shown}: ${reasonOf(offer)}.`);
      await this.#parts.link.reset();
      await this.#pause(waitMs * (0.75 + this.#parts.random() / 2), signal);
      waitMs = Math.min(waitMsMax, waitMs * 2);
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const before = this.#announcedHash;
    const offer = await this.#lookAgain(before);
    if (isFault(offer) || signal.aborted) return;
    this.#beatsSince += 1;
    const changed = offer.hash !== before;
    if (changed || this.#mustAnnounce || this.#beatsSince >= announceEveryBeats) {
      const stored = await this.#announce(offer, signal);
      if (changed && stored)
        this.#parts.say(
          `${this.#who.server} changed and is announced anew with ${offer.tools.length} tools.`,
        );
      return;
    }
    this.#seq += 1;
    const beat = heartbeatEvent(this.#who, this.#seq, offer.hash, this.#parts.clock);
    // lost while disconnected: an announcement follows the reconnect
    await this.#parts.bus.publish(this.#subjects.heartbeat, beat.body);
  }

  /** While the server does not answer nothing is sent, so that it becomes stale; what comes back may be another version. */
  async #lookAgain(before: string | undefined): Promise<Offer | Fault> {
    const { link, shown, say } = this.#parts;
    const offer = await look(link);
    if (isFault(offer)) {
      this.#sayWaiting(`${shown} does not answer: ${reasonOf(offer)}. No heartbeats are sent until it does.`);
      this.#mustAnnounce = false;
      await link.reset();
      return offer;
    }
    if (this.#waitingFor !== undefined) {
      this.#waitingFor = undefined;
      say(`${shown} answers again.`);
      this.#mustAnnounce = true;
    }
    if (offer.hash === before) return offer;
    // capabilities are asked once a session, tools each time: both must be of the same server
    await link.reset();
    return look(link);
  }

  /** Tried until it is stored; false where the signal came first. */
  async #announce(offer: Offer, signal: AbortSignal): Promise<boolean> {
    let event = announceEvent(this.#who, offer, this.#parts.clock);
    let waitMs = firstWaitMs;
    while (!signal.aborted) {
      const fault = await this.#store(this.#subjects.announce, event, signal);
      if (!fault) {
        this.#announcedHash = offer.hash;
        this.#mustAnnounce = false;
        this.#beatsSince = 0;
        this.#waitingFor = undefined;
        return true;
      }
      if (signal.aborted) return false;
      if (fault.fault === 'message_too_large' && offer.tools.length > 0) {
        this.#parts.say(
          `Its ${offer.tools.length} tools do not fit in one announcement; gateways will ask the server itself.`,
        );
        event = announceEvent(this.#who, { ...offer, tools: [] }, this.#parts.clock);
        continue;
      }
      this.#sayWaiting(`Waiting for ${this.#parts.busName}: ${fault.detail.replace(/\.$/, '')}.`);
      await this.#pause(waitMs * (0.75 + this.#parts.random() / 2), signal);
      waitMs = Math.min(waitMsMax, waitMs * 2);
    }
    return false;
  }

  /** Without its stream a message is heard by whoever listens now but kept by nobody, so the stream is made first. */
  async #store(subject: string, event: Event, signal?: AbortSignal): Promise<BusFault | undefined> {
    const { bus, prefix } = this.#parts;
    if (!this.#streamMade) {
      const fault = await bus.ensureStream(streams(prefix).mcp);
      if (fault) return fault;
      this.#streamMade = true;
    }
    // nothing is announced behind the last word, and the last word waits for what is under way
    if (signal?.aborted) return { fault: 'bus_disconnected', detail: 'the end has come' };
    const sending = bus.publishStored(subject, event.body, event.id);
    if (signal) this.#sending = sending.then((fault) => this.#note(fault));
    const fault = await sending;
    if (fault && fault.fault !== 'message_too_large') this.#streamMade = false;
    return fault;
  }

  #note(fault: BusFault | undefined): void {
    if (mayBeStored(fault)) this.#mayBeKnown = true;
  }

  /** The last word, tried for three seconds: whoever misses it sees the heartbeats stop. */
  async #deregister(): Promise<void> {
    const { clock } = this.#parts;
    const event = deregisterEvent(this.#who, 'shutdown', clock);
    const late = Promise.withResolvers<'late'>();
    const timer = clock.after(deregisterMsMax, () => late.resolve('late'));
    const endMs = clock.monotonicMs() + deregisterMsMax;
    await Promise.race([this.#sending, late.promise]);
    while (this.#mayBeKnown && clock.monotonicMs() < endMs) {
      const fault = await Promise.race([this.#store(this.#subjects.deregister, event), late.promise]);
      if (fault === undefined || fault === 'late') break;
      await Promise.race([this.#after(firstWaitMs), late.promise]);
    }
    timer.cancel();
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.after(ms, resolve));
  }

  #sayWaiting(sentence: string): void {
    const reason = this.#parts.hopeless();
    if (reason !== undefined && this.#announcedHash === undefined) throw new Error(reason);
    if (this.#waitingFor !== sentence) this.#parts.say(sentence);
    this.#waitingFor = sentence;
  }

  /** Ends early on the signal, and when there is something to announce. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = this.#parts.clock.after(ms, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }
}
