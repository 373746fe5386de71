/** What an operator sees and does on a NATS server: streams, consumers, raw messages, purges. */

import type { ConsumerInfo, JetStreamManager, Lister, StreamInfo } from '@nats-io/jetstream';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connect, millis } from '@nats-io/transport-node';

import type { Json } from '@cruvero/core';
import type { BusFault, Subscription } from '@cruvero/ports';
import { isStreamName, isSubject, isSubjectPattern, messageBytesMax } from '@cruvero/ports';

import type { NatsAddress } from './address.ts';
import { busError, isStreamMissing, tooLarge, toFault } from './faults.ts';
import type { NatsCredentials } from './options.ts';
import { addressOf, clientOptions, errorWords } from './options.ts';

const apiMsMax = 5_000;
/** Lists end here: an operator reads no more, and a server may hold millions. */
const rowsMax = 10_000;

export interface StreamRow {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly messages: number;
  readonly bytes: number;
  /** -1: no bound. */
  readonly bytesMax: number;
  /** 0: no bound. */
  readonly ageMaxMs: number;
  readonly storage: string;
  readonly consumers: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** RFC 3339; absent while the stream is empty. */
  readonly lastAt?: string;
}

export interface ConsumerRow {
  readonly stream: string;
  readonly name: string;
  readonly durable: boolean;
  readonly filter: string;
  /** Not delivered yet. */
  readonly pending: number;
  /** Delivered and not acknowledged yet. */
  readonly unacknowledged: number;
  readonly redelivered: number;
  readonly acknowledgedSequence: number;
  /** Processes that ask for messages now. */
  readonly waiting: number;
}

export interface ServerStatus {
  readonly server: string;
  readonly serverName: string;
  readonly version: string;
  readonly cluster?: string;
  readonly roundTripMs: number;
  readonly messageBytesMax: number;
  readonly jetstream: boolean;
  readonly streams: number;
  readonly consumers: number;
  readonly messages: number;
  readonly storageBytes: number;
  readonly memoryBytes: number;
  /** Not delivered yet, over all consumers. */
  readonly pending: number;
}

/** As it came, also where it is not JSON. */
export interface RawMessage {
  readonly subject: string;
  readonly text: string;
}

export interface StoredAt {
  readonly stream: string;
  readonly sequence: number;
  readonly duplicate: boolean;
}

export class NatsAdmin {
  readonly #session: NatsConnection;
  readonly #address: NatsAddress;

  constructor(session: NatsConnection, address: NatsAddress) {
    this.#session = session;
    this.#address = address;
  }

  async status(): Promise<ServerStatus | BusFault> {
    return await this.#try('the server', async () => {
      const roundTripMs = await this.#session.rtt();
      const { info } = this.#session;
      const server = {
        server: this.#address.shown,
        serverName: info?.server_name ?? '',
        version: info?.version ?? '',
        ...(info?.cluster === undefined ? {} : { cluster: info.cluster }),
        roundTripMs,
        messageBytesMax: info?.max_payload ?? 0,
      };
      if (info?.jetstream !== true) return { ...server, jetstream: false, ...nothingStored };
      const manager = await this.#manager();
      const [account, streams] = [await manager.getAccountInfo(), await rows(manager.streams.list())];
      const consumers = await this.#consumersOf(manager, streams);
      return {
        ...server,
        jetstream: true,
        streams: account.streams,
        consumers: account.consumers,
        messages: sum(streams, (stream) => stream.state.messages),
        storageBytes: account.storage,
        memoryBytes: account.memory,
        pending: sum(consumers, (consumer) => consumer.num_pending),
      };
    });
  }

  /** By name. */
  async streams(): Promise<readonly StreamRow[] | BusFault> {
    return await this.#try('the list of streams', async () => {
      const streams = await rows((await this.#manager()).streams.list());
      return streams.map(streamRow).sort((a, b) => a.name.localeCompare(b.name));
    });
  }

  /** Of one stream, or of all; by stream and name. */
  async consumers(stream?: string): Promise<readonly ConsumerRow[] | BusFault> {
    const refusal = stream === undefined ? undefined : refuseName(stream);
    if (refusal) return refusal;
    return await this.#try(stream ?? 'the list of consumers', async () => {
      const manager = await this.#manager();
      const streams =
        stream === undefined ? await rows(manager.streams.list()) : [await manager.streams.info(stream)];
      const consumers = await this.#consumersOf(manager, streams);
      return consumers
        .map(consumerRow)
        .sort((a, b) => a.stream.localeCompare(b.stream) || a.name.localeCompare(b.name));
    });
  }

  async #consumersOf(manager: JetStreamManager, streams: readonly StreamInfo[]): Promise<ConsumerInfo[]> {
    const all: ConsumerInfo[] = [];
    for (const { config } of streams) {
      if (all.length >= rowsMax) break;
      all.push(...(await rows(manager.consumers.list(config.name))));
    }
    return all.slice(0, rowsMax);
  }

  /** How many messages the stream holds. */
  async count(stream: string): Promise<number | BusFault> {
    const refusal = refuseName(stream);
    if (refusal) return refusal;
    return await this.#try(
      stream,
      async () => (await (await this.#manager()).streams.info(stream)).state.messages,
    );
  }

  /** Removes every message of the stream; resolves with how many. Consumers and sequences stay. */
  async purge(stream: string): Promise<number | BusFault> {
    const refusal = refuseName(stream);
    if (refusal) return refusal;
    return await this.#try(stream, async () => (await (await this.#manager()).streams.purge(stream)).purged);
  }

  async publish(subject: string, body: Json): Promise<BusFault | undefined> {
    const text = JSON.stringify(body);
    const refusal = refusePublish(subject, text);
    if (refusal) return refusal;
    const done = await this.#try(subject, async () => {
      this.#session.publish(subject, text);
      await this.#session.flush();
      return 'sent' as const;
    });
    return done === 'sent' ? undefined : done;
  }

  /** Resolves once the stream that covers the subject has stored it. */
  async publishStored(subject: string, body: Json, messageId: string): Promise<StoredAt | BusFault> {
    const text = JSON.stringify(body);
    const refusal = refusePublish(subject, text);
    if (refusal) return refusal;
    return await this.#try(subject, async () => {
      const options = { msgID: messageId, timeout: apiMsMax };
      const { stream, seq, duplicate } = await jetstream(this.#session).publish(subject, text, options);
      return { stream, sequence: seq, duplicate };
    });
  }

  /** Goes on over a server that restarts, until closed. Resolves once the server knows. */
  async subscribe(pattern: string, take: (message: RawMessage) => void): Promise<Subscription | BusFault> {
    if (!isSubjectPattern(pattern)) return busError(`${JSON.stringify(pattern)} is no subject to listen on`);
    return await this.#try(pattern, async () => {
      const native = this.#session.subscribe(pattern, {
        callback: (error, message) => {
          if (!error) take({ subject: message.subject, text: message.string() });
        },
      });
      await this.#session.flush();
      return { close: async () => native.unsubscribe() };
    });
  }

  /** Resolves with the reason when the connection is lost for good. */
  async closed(): Promise<string> {
    const error = await this.#session.closed();
    return error ? errorWords(error, this.#address) : 'connection closed';
  }

  async #manager(): Promise<JetStreamManager> {
    return await jetstreamManager(this.#session, { checkAPI: false, timeout: apiMsMax });
  }

  async #try<T>(what: string, work: () => Promise<T>): Promise<T | BusFault> {
    try {
      return await work();
    } catch (error) {
      if (isStreamMissing(error)) return { fault: 'no_stream', detail: `there is no stream ${what}` };
      return toFault(error, what);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close();
  }
}

const nothingStored = { streams: 0, consumers: 0, messages: 0, storageBytes: 0, memoryBytes: 0, pending: 0 };

function refuseName(stream: string): BusFault | undefined {
  return isStreamName(stream) ? undefined : busError(`${JSON.stringify(stream)} is no stream name`);
}

function refusePublish(subject: string, text: string): BusFault | undefined {
  if (!isSubject(subject)) return busError(`${JSON.stringify(subject)} is no subject to publish on`);
  const bytes = Buffer.byteLength(text);
  return bytes > messageBytesMax ? tooLarge(subject, bytes) : undefined;
}

async function rows<T>(lister: Lister<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of lister) {
    all.push(row);
    if (all.length >= rowsMax) break;
  }
  return all;
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function streamRow({ config, state }: StreamInfo): StreamRow {
  return {
    name: config.name,
    subjects: config.subjects ?? [],
    messages: state.messages,
    bytes: state.bytes,
    bytesMax: config.max_bytes,
    ageMaxMs: millis(config.max_age),
    storage: config.storage,
    consumers: state.consumer_count,
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
    ...(state.messages === 0 ? {} : { lastAt: state.last_ts }),
  };
}

function consumerRow(info: ConsumerInfo): ConsumerRow {
  return {
    stream: info.stream_name,
    name: info.name,
    durable: info.config.durable_name !== undefined,
    filter: info.config.filter_subject ?? '>',
    pending: info.num_pending,
    unacknowledged: info.num_ack_pending,
    redelivered: info.num_redelivered,
    acknowledgedSequence: info.ack_floor.stream_seq,
    waiting: info.num_waiting,
  };
}

/** One try: an operator wants to know that the server is away, not to wait for it. Throws as `connectNats` does. */
export async function natsAdmin(credentials: NatsCredentials): Promise<NatsAdmin | BusFault> {
  const address = addressOf(credentials);
  try {
    // Once connected it comes back over restarts; `ignoreAuthErrorAbort` also over a server that loads its accounts.
    const lasting = { reconnect: true, maxReconnectAttempts: -1, ignoreAuthErrorAbort: true };
    const session = await connect({
      ...clientOptions(credentials, address),
      ...lasting,
      reconnectTimeWait: 250,
    });
    return new NatsAdmin(session, address);
  } catch (error) {
    const words = errorWords(error, address);
    return { fault: 'bus_disconnected', detail: `NATS at ${address.shown} cannot be reached: ${words}` };
  }
}
