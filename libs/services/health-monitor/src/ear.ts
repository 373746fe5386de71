/** What the monitor hears on the bus: the registry's listings, and each sign of life directly from its sender. */

import {
  announceSchema,
  configBucket,
  configScopes,
  configRequestSchema,
  decode,
  deregisterSchema,
  gatewaySubjects,
  heartbeatSchema,
  isDecodeProblem,
  lifecycleSubjects,
  readConfigBody,
  serversSchema,
} from '@cruvero/contracts';
import { readInstanceId, readServerName, readTenantId, type Json } from '@cruvero/core';
import {
  isBusFault,
  type Bus,
  type BusMessage,
  type Clock,
  type Log,
  type Random,
  type Timer,
} from '@cruvero/ports';
import type { HealthMonitorConfig } from './config.ts';
import type { Fleet } from './fleet.ts';

export interface EarParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly fleet: Fleet;
}

/** The listing is asked for this often, so that a lost message is mended without anybody's help. */
export const askEveryMs = 15_000;
/** Heartbeats of strangers make it ask at once, but not more often than this. */
const askAgainMs = 2_000;
/** Every so many times it asks for what it has already, so that both sides can compare what they believe. */
const askWholeEvery = 4;

/** Listens from `open` to `close`. `lastHeardMs` is when anything came in last: proof that the bus was alive then. */
export class Ear {
  readonly #config: HealthMonitorConfig;
  readonly #parts: EarParts;
  readonly #closers: (() => Promise<void>)[] = [];
  #timer: Timer | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;
  #asks = 0;
  /** Of the last listing; undefined before the first. */
  #version: number | undefined;
  #lastHeardMs: number;

  constructor(config: HealthMonitorConfig, parts: EarParts) {
    this.#config = config;
    this.#parts = parts;
    this.#lastHeardMs = parts.clock.monotonicMs();
  }

  get lastHeardMs(): number {
    return this.#lastHeardMs;
  }

  open(): void {
    const subjects = lifecycleSubjects(this.#config.subjectPrefix);
    this.#listen(gatewaySubjects.config(this.#config.monitorId, 'servers'), (message) =>
      this.#takeListing(message),
    );
    this.#listen(subjects.announce, (message) => this.#takeAnnounce(message));
    this.#listen(subjects.heartbeat, (message) => this.#takeHeartbeat(message));
    this.#listen(subjects.deregister, (message) => this.#takeDeregister(message));
    this.ask(true);
    this.#askLater();
  }

  /** Asks the registry the way a gateway does; `whole` also for a listing that it has already. */
  ask(whole: boolean): void {
    this.#askedMs = this.#parts.clock.monotonicMs();
    const { monitorId, tenantId } = this.#config;
    const has = configScopes.filter(
      (scope) => this.#version !== undefined && !(whole && scope === 'servers'),
    );
    const versions = Object.fromEntries(has.map((scope) => [`config.${scope}`, this.#version]));
    const request = configRequestSchema.parse({
      gateway_id: monitorId,
      tenant_id: tenantId,
      last_known_versions: versions,
    });
    void this.#parts.bus.publish(gatewaySubjects.configRequest(monitorId), request as Json);
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await Promise.all(this.#closers.map((close) => close()));
  }

  #askLater(): void {
    this.#timer = this.#parts.clock.after(askEveryMs * (0.75 + this.#parts.random() / 2), () => {
      this.#asks += 1;
      this.ask(this.#asks % askWholeEvery === 0);
      this.#askLater();
    });
  }

  #listen(subject: string, take: (message: BusMessage) => void | Promise<void>): void {
    const subscription = this.#parts.bus.subscribe(subject, (message) => {
      this.#lastHeardMs = this.#parts.clock.monotonicMs();
      return take(message);
    });
    this.#closers.push(() => subscription.close());
  }

  #refuse(what: string, problem: string): void {
    this.#parts.log.warn(`${what} refused`, { problem });
  }

  async #takeListing(message: BusMessage): Promise<void> {
    const body = await readConfigBody(message.body, (key) => this.#readPart(key));
    const payload = isDecodeProblem(body) ? body : decode(serversSchema, body);
    if (isDecodeProblem(payload)) return this.#refuse('listing of servers', payload.problem);
    this.#version = payload.version;
    this.#parts.fleet.listed(payload, this.#parts.clock.monotonicMs());
  }

  async #readPart(key: string): Promise<string | undefined> {
    const read = await this.#parts.bus.getValue(configBucket, key);
    return isBusFault(read) ? undefined : read.value;
  }

  #takeAnnounce(message: BusMessage): void {
    const event = decode(announceSchema, message.body);
    if (isDecodeProblem(event)) return this.#refuse('announcement', event.problem);
    const name = this.#parts.fleet.name(event.tenant_id, event.payload.server, event.payload.instance_id);
    if (name) this.#parts.fleet.announced(name, event.payload, this.#parts.clock.monotonicMs());
  }

  #takeHeartbeat(message: BusMessage): void {
    const event = decode(heartbeatSchema, message.body);
    if (isDecodeProblem(event)) return this.#refuse('heartbeat', event.problem);
    const name = this.#parts.fleet.name(event.tenant_id, event.payload.server, event.payload.instance_id);
    if (!name) return;
    const nowMs = this.#parts.clock.monotonicMs();
    const known = this.#parts.fleet.step(name, { kind: 'heartbeat', status: event.payload.status }, nowMs);
    if (!known && nowMs - this.#askedMs >= askAgainMs) this.ask(false);
  }

  #takeDeregister(message: BusMessage): void {
    const event = decode(deregisterSchema, message.body);
    if (isDecodeProblem(event)) return this.#refuse('deregistration', event.problem);
    const tenantId = event.tenant_id === undefined ? this.#config.tenantId : readTenantId(event.tenant_id);
    const server = readServerName(event.payload.server);
    const { instance_id: instance } = event.payload;
    if (tenantId && server) {
      this.#parts.fleet.deregistered(
        tenantId,
        server,
        instance === undefined ? undefined : readInstanceId(instance),
      );
    }
  }
}
