/** The Bus over NATS: made at once, connected as soon as and as often as the server lets. */

import { jetstreamManager } from '@nats-io/jetstream';

import type { Json } from '@cruvero/core';
import type {
  Bus,
  BusFault,
  BusMessage,
  BusState,
  ConsumeOptions,
  StreamDefinition,
  Subscription,
} from '@cruvero/ports';

import { Consumption } from './consuming.ts';
import { disconnected, toFault } from './faults.ts';
import { bounded, NatsLink } from './link.ts';
import { Drops, Listeners } from './listening.ts';
import type { NatsOptions } from './options.ts';
import { drainMsOf } from './options.ts';
import { Sender } from './sending.ts';
import { ensureStream, refuseStream } from './streams.ts';
import { Values } from './values.ts';

const apiMsMax = 5_000;

class NatsBus implements Bus {
  readonly #options: NatsOptions;
  readonly #replicas: number;
  readonly #link: NatsLink;
  readonly #drops: Drops;
  readonly #listeners: Listeners;
  readonly #sender: Sender;
  readonly #values: Values;
  readonly #consumptions = new Set<Consumption>();
  #disposed: Promise<void> | undefined;

  constructor(options: NatsOptions) {
    this.#options = options;
    this.#replicas = Math.min(5, Math.max(1, Math.floor(options.replicas ?? 1)));
    this.#link = new NatsLink(options);
    this.#drops = new Drops(options);
    this.#listeners = new Listeners(this.#link, options, this.#drops);
    this.#sender = new Sender(this.#link);
    this.#values = new Values(this.#link, this.#replicas);
  }

  state(): BusState {
    return this.#link.state;
  }

  onState(listener: (state: BusState) => void): Subscription {
    return this.#link.onState(listener);
  }

  async publish(subject: string, body: Json): Promise<BusFault | undefined> {
    return this.#sender.publish(subject, body);
  }

  async publishStored(subject: string, body: Json, messageId: string): Promise<BusFault | undefined> {
    return await this.#sender.publishStored(subject, body, messageId);
  }

  subscribe(subject: string, handler: (message: BusMessage) => void | Promise<void>): Subscription {
    return this.#listeners.subscribe(subject, handler);
  }

  readonly respond: Bus['respond'] = (...asked) => this.#listeners.respond(...asked);

  async request(subject: string, body: Json, timeoutMs: number): Promise<{ readonly body: Json } | BusFault> {
    return await this.#sender.request(subject, body, timeoutMs);
  }

  async ensureStream(definition: StreamDefinition): Promise<BusFault | undefined> {
    const refusal = refuseStream(definition);
    if (refusal) return refusal;
    const { session } = this.#link;
    if (!session) return disconnected;
    try {
      const manager = await jetstreamManager(session, { checkAPI: false, timeout: apiMsMax });
      await ensureStream(manager, definition, this.#replicas);
      return undefined;
    } catch (error) {
      return session.isClosed() ? disconnected : toFault(error, definition.name);
    }
  }

  async consume(
    options: ConsumeOptions,
    handler: (message: BusMessage) => Promise<void>,
  ): Promise<Subscription | BusFault> {
    const consumption = new Consumption(this.#link, this.#options, options, handler, this.#drops);
    const fault = await consumption.start();
    if (fault) return fault;
    this.#consumptions.add(consumption);
    return {
      close: async () => {
        this.#consumptions.delete(consumption);
        await consumption.close();
      },
    };
  }

  async putValue(bucket: string, key: string, value: string): Promise<BusFault | undefined> {
    return await this.#values.put(bucket, key, value);
  }

  async getValue(bucket: string, key: string): Promise<{ readonly value: string | undefined } | BusFault> {
    return await this.#values.get(bucket, key);
  }

  async deleteValue(bucket: string, key: string): Promise<BusFault | undefined> {
    return await this.#values.delete(bucket, key);
  }

  async flush(): Promise<void> {
    const { session } = this.#link;
    if (!session) return;
    // A session that ends never answers the ping: its end is an answer too.
    const reached = Promise.race([session.flush().catch(() => undefined), session.closed()]);
    await bounded(
      this.#options.clock,
      drainMsOf(this.#options),
      reached.then(() => this.#listeners.idle()),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    await Promise.all([...this.#consumptions].map((consumption) => consumption.drain()));
    await this.#link.close();
    await bounded(this.#options.clock, drainMsOf(this.#options), this.#listeners.idle());
    this.#listeners.close();
  }
}

/**
 * Returns at once, disconnected, and keeps trying for ever; ask `state()` or listen with `onState`. Throws a TypeError
 * for a URL that cannot be read (check it with `readNatsUrl` first). After `connected` call `ensureStream` again: the
 * server may have come back empty.
 */
export async function connectNats(options: NatsOptions): Promise<Bus> {
  return new NatsBus(options);
}
