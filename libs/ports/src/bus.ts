/** The nervous system: subjects with dots, at-most-once to whoever listens, or stored in a stream and then acknowledged. */

import type { Json } from '@cruvero/core';

/** Why the bus did not take or bring a message. */
export interface BusFault {
  readonly fault:
    'bus_disconnected' | 'bus_timeout' | 'no_stream' | 'no_responder' | 'message_too_large' | 'bus_error';
  readonly detail: string;
}

export interface BusMessage {
  readonly subject: string;
  readonly body: Json;
  /** 1 on the first delivery of a consumed message; absent for plain subscriptions. */
  readonly deliveryCount?: number;
  /** Stream sequence, where the message came from a stream. */
  readonly sequence?: number;
}

export interface Subscription {
  /** No message is handed out after this resolves; a handler that runs is not waited for. Idempotent. */
  close(): Promise<void>;
}

export interface StreamDefinition {
  readonly name: string;
  /** Subjects with `*` and `>` as in NATS. */
  readonly subjects: readonly string[];
  readonly ageMaxMs: number;
  readonly bytesMax: number;
}

export interface ConsumeOptions {
  readonly stream: string;
  /** Name that outlives the process: a new process goes on where the last one stopped. */
  readonly durable: string;
  /** One filter only: nats-server 2.9 knows no more. */
  readonly subject: string;
  /** Redelivered when not acknowledged in this time, to whoever of this durable is free. */
  readonly ackWaitMs: number;
  /** Given up after this many deliveries; Infinity: never, and nothing behind it moves until it is handled. */
  readonly deliveriesMax: number;
}

export type BusState = 'connected' | 'disconnected';

/**
 * Handlers get a copy of the body, never the sender's object. A body that is not JSON is dropped and counted, it never
 * reaches a handler. Messages of one subscription are handed out in order, one after the other.
 */
export interface Bus {
  state(): BusState;
  /** Called on every change; the present state is not replayed. */
  onState(listener: (state: BusState) => void): Subscription;

  /** To whoever listens now. While disconnected the message is dropped and the fault returned. */
  publish(subject: string, body: Json): Promise<BusFault | undefined>;
  /**
   * Resolves with undefined once the stream that covers `subject` has stored the message. The same `messageId` within two
   * minutes is stored once.
   */
  publishStored(subject: string, body: Json, messageId: string): Promise<BusFault | undefined>;
  /** `*` is one token, `>` the rest. */
  subscribe(subject: string, handler: (message: BusMessage) => void | Promise<void>): Subscription;

  /** Makes or updates the stream; idempotent. */
  ensureStream(definition: StreamDefinition): Promise<BusFault | undefined>;
  /**
   * Hands out every stored message of the durable consumer, at least once, in order: one at a time over everybody who
   * shares the durable, so that a message that comes again is never overtaken. A handler that resolves acknowledges; one
   * that throws has the message redelivered after a pause (100 ms, doubling, at most `ackWaitMs`). Survives disconnects,
   * and goes on by itself where stream or consumer vanished and came back. `no_stream` while connected and there is none;
   * while disconnected it waits for both.
   */
  consume(
    options: ConsumeOptions,
    handler: (message: BusMessage) => Promise<void>,
  ): Promise<Subscription | BusFault>;

  /** Not on a subject that a stream covers: the stream would answer. */
  request(subject: string, body: Json, timeoutMs: number): Promise<{ readonly body: Json } | BusFault>;
  /**
   * Answers requests on a subject; several responders share them. One that throws is a `bus_error` to who asked. One after the
   * other, unless `atOnce`: then a slow answer holds up no other, and the handler bounds how many it works on.
   */
  respond(
    subject: string,
    handler: (message: BusMessage) => Promise<Json>,
    options?: { readonly atOnce?: boolean },
  ): Subscription;

  /** Small values by key; the bucket is made on first use. Value at most 512 KiB; keys `[A-Za-z0-9_=.-]+`. */
  putValue(bucket: string, key: string, value: string): Promise<BusFault | undefined>;
  getValue(bucket: string, key: string): Promise<{ readonly value: string | undefined } | BusFault>;
  deleteValue(bucket: string, key: string): Promise<BusFault | undefined>;

  /**
   * Resolves when everything published so far has reached the server, and everything received so far by `subscribe` and
   * `respond` its handlers; bounded, and at once while disconnected.
   */
  flush(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** False only where a stream cannot have the message: without an answer it may have been stored all the same. */
export function mayBeStored(fault: BusFault | undefined): boolean {
  return fault?.fault !== 'bus_disconnected' && fault?.fault !== 'no_stream';
}

export function isBusFault(value: unknown): value is BusFault {
  return typeof value === 'object' && value !== null && 'fault' in value;
}
