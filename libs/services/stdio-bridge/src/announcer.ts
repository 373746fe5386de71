/** Tells the bus of one instance: announced until stored, a heartbeat while it lives, deregistered at its end. */

import {
  decode,
  isDecodeProblem,
  lifecycleEvent,
  lifecycleSubjects,
  streams,
  verdictSchema,
  type LifecycleEvent,
  type LifecycleType,
} from '@cruvero/contracts';
import type { InstanceId, Json, JsonObject, ServerName, TenantId } from '@cruvero/core';
import {
  mayBeStored,
  type Bus,
  type BusFault,
  type Clock,
  type Log,
  type Subscription,
  type Timer,
} from '@cruvero/ports';
import type { Listing } from './listing.ts';

export interface AnnouncedInstance {
  readonly server: ServerName;
  readonly instanceId: InstanceId;
  readonly transport: 'inproc' | 'http';
  readonly endpoint: string;
  readonly source: 'file' | 'env' | 'nats';
}

export interface Pulse {
  readonly status: 'ok' | 'degraded' | 'draining';
  readonly inFlight: number;
  readonly memoryMb: number | undefined;
}

export interface AnnouncerParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly newEventId: () => string;
  readonly subjectPrefix: string;
  readonly tenantId: TenantId | undefined;
  readonly heartbeatIntervalMs: number;
  readonly deregisterMs: number;
  /** Undefined: it has failed; silence then lets the health monitor see it. */
  readonly pulse: () => Pulse | undefined;
}

const firstRetryMs = 200;
const retryMsMax = 5_000;

export class Announcer {
  readonly #instance: AnnouncedInstance;
  readonly #parts: AnnouncerParts;
  readonly #connected: Subscription;
  readonly #verdicts: Subscription;
  #streamMade = false;
  #listing: Listing | undefined;
  /** Counts what should be announced; `#stored` is the last one that the stream has. */
  #wanted = 0;
  #stored = 0;
  /** An announcement may be in the stream, though nobody confirmed it. */
  #mayBeKnown = false;
  /** The announcement under way. */
  #sending: Promise<unknown> | undefined;
  #pumping = false;
  #beat: Timer | undefined;
  #sequence = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(instance: AnnouncedInstance, parts: AnnouncerParts) {
    this.#instance = instance;
    this.#parts = parts;
    this.#connected = parts.bus.onState((state) => {
      if (state !== 'connected') return;
      this.#streamMade = false;
      this.#again();
    });
    this.#verdicts = parts.bus.subscribe(this.#subjects.verdict, ({ body }) => {
      if (this.#isOurEnd(body)) this.#again();
    });
  }

  announce(listing: Listing): void {
    this.#listing = listing;
    this.#again();
    this.#beat ??= this.#parts.clock.every(this.#parts.heartbeatIntervalMs, () => this.heartbeat());
  }

  /** Who was taken for dead, while heartbeats did not get through, has to introduce itself again. */
  #isOurEnd(body: Json): boolean {
    const verdict = decode(verdictSchema, body);
    if (isDecodeProblem(verdict) || verdict.payload.new_status !== 'expired') return false;
    const { tenantId } = this.#parts;
    const sameTenant = tenantId === undefined || verdict.tenant_id === tenantId;
    const { server, instance_id: instanceId } = verdict.payload;
    return sameTenant && server === this.#instance.server && instanceId === this.#instance.instanceId;
  }

  /** The stream may have been lost with the server that held it: said once more after every reconnect. */
  #again(): void {
    if (this.#closed || !this.#listing) return;
    this.#wanted += 1;
    this.#wake?.();
    void this.#pump();
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    let retryMs = firstRetryMs;
    for (let listing = this.#news(); listing; listing = this.#news()) {
      const wanted = this.#wanted;
      if (await this.#store(listing)) {
        this.#stored = wanted;
        retryMs = firstRetryMs;
      } else if (this.#news()) {
        await this.#pause(retryMs);
        retryMs = Math.min(retryMsMax, retryMs * 2);
      }
    }
    this.#pumping = false;
  }

  /** What is to be announced; undefined where that is done, and at the end. */
  #news(): Listing | undefined {
    return !this.#closed && this.#stored < this.#wanted ? this.#listing : undefined;
  }

  async #store(listing: Listing): Promise<boolean> {
    const event = this.#event('mcp.announce', this.#announcement(listing));
    const fault = (await this.#makeStream()) ?? (await this.#send(event));
    if (!fault) return true;
    const { log } = this.#parts;
    if (fault.fault === 'message_too_large' && listing.tools.length > 0) {
      log.error('the tools are too large for one announcement; the server is announced without them', {
        tools: listing.tools.length,
      });
      if (this.#listing === listing) this.#listing = { ...listing, tools: [] };
      return this.#store({ ...listing, tools: [] });
    }
    this.#streamMade = false;
    if (fault.fault !== 'no_stream')
      log.warn('announcement not stored yet', { fault: fault.fault, detail: fault.detail });
    return false;
  }

  /** Nothing is announced behind the last word, and the last word waits for what is under way. */
  async #send({ body, id }: LifecycleEvent): Promise<BusFault | undefined> {
    if (this.#closed) return { fault: 'bus_disconnected', detail: 'the instance has taken leave' };
    const sending = this.#parts.bus.publishStored(this.#subjects.announce, body, id);
    this.#sending = sending.then((fault) => this.#note(fault));
    return sending;
  }

  #note(fault: BusFault | undefined): void {
    if (mayBeStored(fault)) this.#mayBeKnown = true;
  }

  /** Without its stream a message is heard by whoever listens now but kept by nobody, so the stream is made first. */
  async #makeStream(): Promise<BusFault | undefined> {
    if (this.#streamMade) return undefined;
    const fault = await this.#parts.bus.ensureStream(streams(this.#parts.subjectPrefix).mcp);
    this.#streamMade = fault === undefined;
    return fault;
  }

  /** Ends early when there is something new to say, or at the end. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.clock.after(delayMs, () => this.#wake?.());
      this.#wake = () => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
    });
  }

  get #subjects() {
    return lifecycleSubjects(this.#parts.subjectPrefix);
  }

  #announcement(listing: Listing): JsonObject {
    const { server, instanceId, transport, endpoint, source } = this.#instance;
    return {
      server,
      instance_id: instanceId,
      transport,
      endpoint,
      ...(listing.version === undefined ? {} : { version: listing.version }),
      tools: listing.tools,
      capabilities: listing.capabilities,
      capabilities_hash: listing.hash,
      heartbeat_interval_ms: this.#parts.heartbeatIntervalMs,
      source,
    };
  }

  #event(type: LifecycleType, payload: JsonObject): LifecycleEvent {
    const { newEventId, clock, tenantId } = this.#parts;
    return lifecycleEvent(type, payload, { id: newEventId(), atMs: clock.nowMs(), tenantId });
  }

  /** Lost while disconnected: the next one comes, and an announcement follows the reconnect. */
  heartbeat(): void {
    const pulse = this.#parts.pulse();
    if (!pulse || this.#closed || this.#stored === 0) return;
    this.#sequence += 1;
    const { body } = this.#event('mcp.heartbeat', {
      server: this.#instance.server,
      instance_id: this.#instance.instanceId,
      seq: this.#sequence,
      status: pulse.status,
      capabilities_hash: this.#listing?.hash,
      load: {
        in_flight: pulse.inFlight,
        ...(pulse.memoryMb === undefined ? {} : { memory_mb: pulse.memoryMb }),
      },
    });
    void this.#parts.bus.publish(this.#subjects.heartbeat, body);
  }

  /** The last word, tried for a bounded time: whoever misses it sees the heartbeats stop. */
  async deregister(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#beat?.cancel();
    this.#wake?.();
    await Promise.all([this.#connected.close(), this.#verdicts.close()]);
    const { bus, clock, deregisterMs } = this.#parts;
    const { server, instanceId } = this.#instance;
    const event = this.#event('mcp.deregister', { server, instance_id: instanceId, reason });
    const bound = Promise.withResolvers<'late'>();
    const timer = clock.after(deregisterMs, () => {
      this.#wake?.();
      bound.resolve('late');
    });
    const endMs = clock.monotonicMs() + deregisterMs;
    await Promise.race([this.#sending, bound.promise]);
    while (this.#mayBeKnown && clock.monotonicMs() < endMs) {
      const done = await Promise.race([
        bus.publishStored(this.#subjects.deregister, event.body, event.id),
        bound.promise,
      ]);
      if (done === undefined || done === 'late') break;
      await this.#pause(firstRetryMs);
    }
    timer.cancel();
  }
}
