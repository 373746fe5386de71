/** A durable consumer that goes on for ever: over lost sessions, restarted servers, and streams made anew. */

import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

import type { BusFault, BusMessage, ConsumeOptions, Subscription } from '@cruvero/ports';
import { redeliveryPauseMs } from '@cruvero/ports';

import { disconnected, isStreamMissing, toFault } from './faults.ts';
import type { NatsLink } from './link.ts';
import { bounded } from './link.ts';
import type { Drops } from './listening.ts';
import { readBody } from './listening.ts';
import type { NatsOptions } from './options.ts';
import { drainMsOf } from './options.ts';
import { ensureConsumer, refuseConsume } from './streams.ts';

const apiMsMax = 3_000;
/** A pull request ends by itself after this; heartbeats at half of it tell a lost consumer from a quiet stream. */
const pullMs = 5_000;
const pausesMs = { first: 100, most: 2_000 };

type Handler = (message: BusMessage) => Promise<void>;

export class Consumption implements Subscription {
  readonly #link: NatsLink;
  readonly #options: NatsOptions;
  readonly #consume: ConsumeOptions;
  readonly #handler: Handler;
  readonly #drops: Drops;
  #closed = false;
  #failures = 0;
  #messages: ConsumerMessages | undefined;
  #wake: (() => void) | undefined;
  #leaveLink: (() => void) | undefined;
  /** The handler that runs now. */
  #running: Promise<void> = Promise.resolve();

  constructor(link: NatsLink, options: NatsOptions, consume: ConsumeOptions, handler: Handler, drops: Drops) {
    this.#link = link;
    this.#options = options;
    this.#consume = consume;
    this.#handler = handler;
    this.#drops = drops;
  }

  /** While connected, a missing stream is a fault; while not, it may still come, and is waited for. */
  async start(): Promise<BusFault | undefined> {
    const refusal = refuseConsume(this.#consume);
    if (refusal) return refusal;
    if (this.#link.closed) return disconnected;
    const { session } = this.#link;
    if (session) {
      try {
        await this.#prepare(session);
      } catch (error) {
        if (!session.isClosed()) return toFault(error, this.#consume.stream);
      }
    }
    this.#leaveLink = this.#link.onSession(() => this.#wake?.());
    void this.#run();
    return undefined;
  }

  async #prepare(session: NatsConnection): Promise<void> {
    const manager = await jetstreamManager(session, { checkAPI: false, timeout: apiMsMax });
    await ensureConsumer(manager, this.#consume);
  }

  async #run(): Promise<void> {
    while (!this.#closed && !this.#link.closed) {
      const { session } = this.#link;
      if (!session) {
        await this.#wait(undefined);
        continue;
      }
      try {
        await this.#prepare(session);
        await this.#drink(session);
      } catch (error) {
        this.#failures += 1;
        this.#sayFailure(error, session);
      }
      const pauseMs = Math.min(pausesMs.most, pausesMs.first * 2 ** Math.min(10, this.#failures));
      if (!this.#closed && session === this.#link.session) await this.#wait(pauseMs);
    }
  }

  #sayFailure(error: unknown, session: NatsConnection): void {
    if (this.#closed || session.isClosed()) return;
    const { stream, durable } = this.#consume;
    const words = isStreamMissing(error) ? 'there is no such stream' : toFault(error, stream).detail;
    const { log } = this.#options;
    const say = this.#failures % 50 === 1 ? log.warn : log.debug;
    say.call(log, 'a consumer stands still, trying on', { stream, durable, error: words });
  }

  /**
   * Reads until the session, the consumer or the stream is gone. One message is asked for at a time: a process that is
   * busy or hung holds no claim on the next one.
   */
  async #drink(session: NatsConnection): Promise<void> {
    const { stream, durable } = this.#consume;
    const consumer = await jetstream(session, { timeout: apiMsMax }).consumers.get(stream, durable);
    while (!this.#closed && session === this.#link.session) {
      const messages = await consumer.fetch({ max_messages: 1, expires: pullMs });
      this.#messages = messages;
      if (this.#closed) messages.stop();
      for await (const message of messages) await this.#take(message);
      this.#failures = 0;
    }
  }

  async #take(message: JsMsg): Promise<void> {
    if (this.#closed) return message.nak();
    this.#running = this.#handle(message);
    await this.#running;
  }

  async #handle(message: JsMsg): Promise<void> {
    const { seq: sequence, subject } = message;
    const read = readBody(message);
    if (!read) {
      this.#drops.count('not_json', this.#consume.subject);
      return message.term();
    }
    const { deliveryCount } = message.info;
    try {
      await this.#handler({ subject, body: read.body, sequence, deliveryCount });
      message.ack();
    } catch (error) {
      const fields = { subject, sequence, deliveryCount, error: String(error) };
      const { log } = this.#options;
      const say = deliveryCount % 50 === 1 ? log.warn : log.debug;
      say.call(log, 'a handler of a consumer threw; the message comes again', fields);
      if (deliveryCount >= this.#consume.deliveriesMax) message.term();
      else message.nak(redeliveryPauseMs(deliveryCount, this.#consume.ackWaitMs));
    }
  }

  /** Until woken by a new session or by close, or for `ms`. */
  #wait(ms: number | undefined): Promise<void> {
    if (this.#closed || this.#link.closed) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : this.#options.clock.after(ms, () => resolve());
      this.#wake = () => {
        timer?.cancel();
        resolve();
      };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#leaveLink?.();
    this.#messages?.stop();
    this.#wake?.();
  }

  /** Closes, and waits for the handler that runs, within a bound. */
  async drain(): Promise<void> {
    await this.close();
    await bounded(this.#options.clock, drainMsOf(this.#options), this.#running);
  }
}
