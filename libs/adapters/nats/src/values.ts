/** Small values by key in JetStream buckets; a bucket is made on first use and again where it vanished. */

import { jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';

import type { BusFault } from '@cruvero/ports';
import { isBucketName, isKeyName, valueBytesMax } from '@cruvero/ports';

import { busError, disconnected, isStreamMissing, isUnheard, tooLarge, toFault } from './faults.ts';
import type { NatsLink } from './link.ts';

const apiMsMax = 3_000;
/** A bucket refuses more than this. */
const bucketBytesMax = 256 << 20;
const bucketsMax = 256;

export class Values {
  readonly #link: NatsLink;
  readonly #replicas: number;
  /** Opened in the present session. */
  readonly #open = new Map<string, KV>();

  constructor(link: NatsLink, replicas: number) {
    this.#link = link;
    this.#replicas = replicas;
    link.onSession(() => this.#open.clear());
  }

  async put(bucket: string, key: string, value: string): Promise<BusFault | undefined> {
    const bytes = Buffer.byteLength(value);
    if (bytes > valueBytesMax) return tooLarge(`${bucket}/${key}`, bytes, valueBytesMax);
    const put = async (session: NatsConnection) => {
      try {
        await (await this.#make(session, bucket)).put(key, value);
      } catch (error) {
        // Nobody keeps this bucket any more: the server came back empty.
        if (!isUnheard(error)) throw error;
        this.#open.delete(bucket);
        await (await this.#make(session, bucket)).put(key, value);
      }
      return undefined;
    };
    return await this.#with(bucket, key, put);
  }

  async get(bucket: string, key: string): Promise<{ readonly value: string | undefined } | BusFault> {
    return await this.#with(bucket, key, async (session) => {
      try {
        const store =
          this.#open.get(bucket) ?? (await this.#kvm(session).open(bucket, { allow_direct: false }));
        const entry = await store.get(key);
        return { value: entry?.operation === 'PUT' ? entry.string() : undefined };
      } catch (error) {
        if (isStreamMissing(error)) return { value: undefined };
        throw error;
      }
    });
  }

  /** Removes the message itself: a tombstone for each key that ever was would grow without end. */
  async delete(bucket: string, key: string): Promise<BusFault | undefined> {
    return await this.#with(bucket, key, async (session) => {
      try {
        const manager = await jetstreamManager(session, { checkAPI: false, timeout: apiMsMax });
        await manager.streams.purge(`KV_${bucket}`, { filter: `$KV.${bucket}.${key}` });
      } catch (error) {
        if (!isStreamMissing(error)) throw error;
      }
      return undefined;
    });
  }

  async #with<T>(
    bucket: string,
    key: string,
    work: (session: NatsConnection) => Promise<T>,
  ): Promise<T | BusFault> {
    const { session } = this.#link;
    if (!session) return disconnected;
    if (!isBucketName(bucket)) return busError(`${JSON.stringify(bucket)} is no bucket name`);
    if (!isKeyName(key)) return busError(`${JSON.stringify(key)} is no key`);
    try {
      return await work(session);
    } catch (error) {
      return session.isClosed() ? disconnected : toFault(error, `${bucket}/${key}`);
    }
  }

  #kvm(session: NatsConnection): Kvm {
    return new Kvm(jetstream(session, { timeout: apiMsMax }));
  }

  async #make(session: NatsConnection, bucket: string): Promise<KV> {
    const present = this.#open.get(bucket);
    if (present) return present;
    const made = await this.#kvm(session).create(bucket, {
      history: 1,
      storage: StorageType.File,
      replicas: this.#replicas,
      max_bytes: bucketBytesMax,
      maxValueSize: valueBytesMax + 1_024,
      // Reads go to the leader: who puts and then reads, reads what was put.
      allow_direct: false,
    });
    if (this.#open.size < bucketsMax) this.#open.set(bucket, made);
    return made;
  }
}
