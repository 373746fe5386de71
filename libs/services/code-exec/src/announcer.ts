/** Tells the bus that this server is here: announced until that is stored, a heartbeat while it lives, a word at its end. */

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
import type { InstanceId, JsonObject, ServerName, TenantId } from '@cruvero/core';
import type { Bus, Clock, Log, Subscription, Timer } from '@cruvero/ports';

export interface Announced {
  readonly server: ServerName;
  readonly instanceId: InstanceId;
  readonly transport: 'inproc' | 'http';
  readonly endpoint: string;
  readonly version: string;
  readonly tools: readonly JsonObject[];
  readonly capabilities: JsonObject;
  readonly capabilitiesHash: string;
}

export interface AnnouncerParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly newEventId: () => string;
  readonly subjectPrefix: string;
  readonly tenantId: TenantId | undefined;
  readonly heartbeatIntervalMs: number;
  readonly inFlight: () => number;
}

const retryMs = 500;
const deregisterMs = 2_000;

export class Announcer {
  readonly #announced: Announced;
  readonly #parts: AnnouncerParts;
  readonly #subscriptions: readonly Subscription[];
  readonly #beat: Timer;
  #retry: Timer | undefined;
  #mayBeKnown = false;
  #sequence = 0;
  #closed = false;

  constructor(announced: Announced, parts: AnnouncerParts) {
    this.#announced = announced;
    this.#parts = parts;
    const { bus, clock, heartbeatIntervalMs } = parts;
    this.#subscriptions = [
      // The stream may have been lost with the server that held it, so each connection hears of it again.
      bus.onState((state) => void (state === 'connected' && this.#announce())),
      bus.subscribe(this.#subjects.verdict, ({ body }) => {
        if (this.#isOurEnd(decode(verdictSchema, body))) this.#announce();
      }),
    ];
    this.#beat = clock.every(heartbeatIntervalMs, () => this.#heartbeat());
    this.#announce();
  }

  get #subjects() {
    return lifecycleSubjects(this.#parts.subjectPrefix);
  }

  /** Who was taken for dead, while heartbeats did not get through, has to introduce itself again. */
  #isOurEnd(verdict: ReturnType<typeof decode<typeof verdictSchema>>): boolean {
    if (isDecodeProblem(verdict) || verdict.payload.new_status !== 'expired') return false;
    const { server, instance_id: instanceId } = verdict.payload;
    return server === this.#announced.server && instanceId === this.#announced.instanceId;
  }

  #announce(): void {
    this.#retry?.cancel();
    this.#retry = undefined;
    if (this.#closed) return;
    this.#store().then(
      (stored) => stored || this.#later(),
      (error: unknown) => {
        this.#parts.log.warn('announcement failed', { error });
        this.#later();
      },
    );
  }

  #later(): void {
    if (!this.#closed) this.#retry ??= this.#parts.clock.after(retryMs, () => this.#announce());
  }

  async #store(): Promise<boolean> {
    const { bus, subjectPrefix } = this.#parts;
    // Nothing is announced behind the last word.
    if ((await bus.ensureStream(streams(subjectPrefix).mcp)) || this.#closed) return false;
    const { server, instanceId, transport, endpoint, version, tools, capabilities, capabilitiesHash } =
      this.#announced;
    const { id, body } = this.#event('mcp.announce', {
      ...{ server, instance_id: instanceId, transport, endpoint, version, tools, capabilities },
      capabilities_hash: capabilitiesHash,
      heartbeat_interval_ms: this.#parts.heartbeatIntervalMs,
      source: 'nats',
    });
    this.#mayBeKnown = true;
    const fault = await bus.publishStored(this.#subjects.announce, body, id);
    if (fault)
      this.#parts.log.warn('announcement not stored yet', { fault: fault.fault, detail: fault.detail });
    return fault === undefined;
  }

  #heartbeat(): void {
    this.#sequence += 1;
    const { server, instanceId, capabilitiesHash } = this.#announced;
    const { body } = this.#event('mcp.heartbeat', {
      server,
      instance_id: instanceId,
      seq: this.#sequence,
      status: 'ok',
      capabilities_hash: capabilitiesHash,
      load: { in_flight: this.#parts.inFlight() },
    });
    void this.#parts.bus.publish(this.#subjects.heartbeat, body);
  }

  #event(type: LifecycleType, payload: JsonObject): LifecycleEvent {
    const { newEventId, clock, tenantId } = this.#parts;
    return lifecycleEvent(type, payload, { id: newEventId(), atMs: clock.nowMs(), tenantId });
  }

  /** Tried for a bounded time: whoever misses it sees the heartbeats stop. */
  async close(reason: string): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    this.#beat.cancel();
    await Promise.all(this.#subscriptions.map((each) => each.close()));
    if (!this.#mayBeKnown) return;
    const { bus, clock } = this.#parts;
    const { server, instanceId } = this.#announced;
    const { id, body } = this.#event('mcp.deregister', { server, instance_id: instanceId, reason });
    const late = Promise.withResolvers<void>();
    const timer = clock.after(deregisterMs, late.resolve);
    await Promise.race([bus.publishStored(this.#subjects.deregister, body, id), late.promise]);
    timer.cancel();
  }
}
