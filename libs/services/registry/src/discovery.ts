/** Reads what servers, sidecars and the health monitor say, each event once, in the order of the stream. */

import {
  announceSchema,
  decode,
  deregisterSchema,
  heartbeatSchema,
  isDecodeProblem,
  lifecycleSubjects,
  streams,
  verdictSchema,
} from '@cruvero/contracts';
import { readServerName, readTenantId } from '@cruvero/core';
import type { Json } from '@cruvero/core';
import { isBusFault, StoreUnavailable } from '@cruvero/ports';
import type {
  Bus,
  BusMessage,
  Clock,
  Log,
  ServerStore,
  StoreTransaction,
  Subscription,
} from '@cruvero/ports';
import { applyAnnounce } from './announce.ts';
import type { AnnounceParts, Applied } from './announce.ts';
import type { RegistryConfig } from './config.ts';
import { applyDeregister, applyHeartbeat, applyVerdict } from './lifecycle.ts';
import type { RegistryMetrics } from './metrics.ts';

export interface DiscoveryParts {
  readonly bus: Bus;
  readonly store: ServerStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: RegistryMetrics;
  readonly apply: AnnounceParts;
  /** Called after each commit that gateways must hear of. */
  readonly changed: () => void;
}

/** The store away is no reason to give a message up: the stream's own age limit is. */
const deliveriesMax = 100_000;
/**
 * A message that fails this often for another reason than the store is a bug, and must not hold up the
 * others.
 */
const failuresMax = 5;
const serversMax = 10_000;
/**
 * What a dead registry, or a dead bus, had in hand stands still for this long, and all behind it. Who works longer on
 * an event than this may see it twice, and counts it once.
 */
const ackWaitMs = 3_000;
const retryMs = 2_000;

type Step = (tx: StoreTransaction) => Promise<Applied>;
interface Decoded {
  readonly type: string;
  readonly eventId: string;
  readonly tenantId: string;
  readonly server: string;
  readonly step: Step;
}

const typeOf = (body: Json): string => {
  const type =
    typeof body === 'object' && body !== null && 'event_type' in body ? body['event_type'] : undefined;
  return typeof type === 'string' ? type : 'unknown';
};

/** The event and what to do with it, or one sentence on what is wrong. */
function read(body: Json, parts: AnnounceParts): Decoded | { readonly problem: string } {
  const about = <E extends { event_id: string; tenant_id?: string | undefined; payload: { server: string } }>(
    event: E | { readonly problem: string },
    apply: (tx: StoreTransaction, event: E, parts: AnnounceParts) => Promise<Applied>,
  ): Decoded | { readonly problem: string } =>
    isDecodeProblem(event)
      ? event
      : {
          type: typeOf(body),
          eventId: event.event_id,
          tenantId: event.tenant_id ?? parts.tenantId,
          server: event.payload.server,
          step: (tx) => apply(tx, event, parts),
        };
  switch (typeOf(body)) {
    case 'mcp.announce':
      return about(decode(announceSchema, body), applyAnnounce);
    case 'mcp.heartbeat':
      return about(decode(heartbeatSchema, body), applyHeartbeat);
    case 'mcp.deregister':
      return about(decode(deregisterSchema, body), applyDeregister);
    case 'mcp.verdict':
      return about(decode(verdictSchema, body), applyVerdict);
    default:
      return { problem: `event_type ${JSON.stringify(typeOf(body))} is not one of a server's life` };
  }
}

export class Discovery {
  readonly #config: RegistryConfig;
  readonly #parts: DiscoveryParts;
  #subscription: Subscription | undefined;
  #opening = false;
  #closed = false;
  #storeIsAway = false;
  #failed = { sequence: 0, times: 0 };

  constructor(config: RegistryConfig, parts: DiscoveryParts) {
    this.#config = config;
    this.#parts = parts;
  }

  /**
   * Makes the streams and begins to consume; again on every reconnect, and every two seconds until it has
   * worked.
   */
  async open(): Promise<void> {
    if (this.#closed || this.#opening) return;
    this.#opening = true;
    const problem = await this.#tryOpen();
    this.#opening = false;
    if (problem === undefined || this.#closed) return;
    this.#parts.log.warn('discovery waits for the bus', { problem });
    this.#parts.clock.after(retryMs, () => void this.open());
  }

  async #tryOpen(): Promise<string | undefined> {
    const { bus } = this.#parts;
    const all = streams(this.#config.subjectPrefix);
    for (const definition of Object.values(all)) {
      const fault = await bus.ensureStream(definition);
      if (fault) return `${definition.name}: ${fault.detail}`;
    }
    if (this.#subscription) return undefined;
    const subjects = lifecycleSubjects(this.#config.subjectPrefix);
    // One consumer for all subjects keeps their order; configured servers need verdicts too.
    const announced = this.#config.discovery !== 'static';
    const consumed = await bus.consume(
      {
        stream: all.mcp.name,
        durable: announced ? 'registry' : 'registry-verdicts',
        subject: announced ? subjects.all : subjects.verdict,
        ackWaitMs,
        deliveriesMax,
      },
      (message) => this.#take(message),
    );
    if (isBusFault(consumed)) return consumed.detail;
    if (this.#closed) await consumed.close();
    else this.#subscription = consumed;
    return undefined;
  }

  /** Resolving acknowledges the message; rejecting has it brought again, before any later one. */
  async #take(message: BusMessage): Promise<void> {
    const { log, metrics, apply } = this.#parts;
    const event = read(message.body, apply);
    if ('problem' in event) {
      log.warn('event refused: it does not have the right shape', {
        subject: message.subject,
        problem: event.problem,
      });
      metrics.events.add(1, { type: knownType(typeOf(message.body)), outcome: 'malformed' });
      return;
    }
    try {
      const applied = await this.#apply(event);
      this.#storeIsAway = false;
      metrics.events.add(1, { type: event.type, outcome: applied.outcome });
      if (applied.outcome === 'refused') {
        log.warn('event refused', { type: event.type, server: event.server, problem: applied.detail });
      }
      if (applied.outcome === 'applied') this.#parts.changed();
    } catch (error) {
      if (error instanceof StoreUnavailable) this.#sayStoreIsAway(error);
      if (error instanceof StoreUnavailable || this.#failuresOf(message) < failuresMax) throw error;
      log.error('event given up', { type: event.type, server: event.server, error });
      metrics.events.add(1, { type: event.type, outcome: 'failed' });
    }
  }

  /** How often this message has failed for another reason than the store: one message is in hand at a time. */
  #failuresOf({ sequence = 0 }: BusMessage): number {
    const times = this.#failed.sequence === sequence ? this.#failed.times + 1 : 1;
    this.#failed = { sequence, times };
    return times;
  }

  #sayStoreIsAway({ message }: StoreUnavailable): void {
    if (!this.#storeIsAway) this.#parts.log.warn('the store is away; events wait', { detail: message });
    this.#storeIsAway = true;
  }

  async #apply(event: Decoded): Promise<Applied> {
    const { store } = this.#parts;
    const tenantId = readTenantId(event.tenantId);
    const name = readServerName(event.server);
    if (event.type === 'mcp.announce' && tenantId && name && !(await store.get(tenantId, name))) {
      const known = (await store.list(tenantId)).length;
      if (known >= serversMax)
        return { outcome: 'refused', detail: `the tenant has ${serversMax} servers already` };
    }
    return store.transaction(async (tx) => {
      const first = await tx.firstSight(`${event.tenantId}/${event.type}/${event.eventId}`);
      return first ? event.step(tx) : { outcome: 'duplicate' };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#subscription?.close();
  }
}

const knownTypes = ['mcp.announce', 'mcp.heartbeat', 'mcp.deregister', 'mcp.verdict'];
/** A label must not grow with what strangers send. */
const knownType = (type: string): string => (knownTypes.includes(type) ? type : 'other');
