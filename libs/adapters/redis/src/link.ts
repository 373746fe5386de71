/**
 * One connection to Redis that never makes a caller wait: a command answers within its bound or counts as failed, and
 * while Redis is away a breaker answers in its place.
 */

import { Redis } from 'ioredis';

import type { Log, Random } from '@cruvero/ports';

import type { RedisAddress, SecretText } from './address.ts';
import { readRedisUrl } from './address.ts';
import { CircuitBreaker } from './breaker.mjs';

export interface RedisOptions {
  /** `redis://host:6379/0`, `rediss://…` or `host:port`. Credentials in it are used, and never shown. */
  readonly url: string;
  readonly user?: string;
  readonly password?: SecretText;
  /** Told to the server: names this connection in `CLIENT LIST`. */
  readonly name: string;
  /** Before every key, so that several installations share one Redis. */
  readonly keyPrefix: string;
  readonly random: Random;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** A command that takes longer counts as failed; 50 unless said. */
  readonly commandMsMax?: number;
}

/** While open, one call a second finds out whether Redis is well again. */
const probeEveryMs = 1_000;
/** A socket that stays silent this long under a command is given up: a hung Redis says nothing. */
const silenceMsMax = 3_000;
const connectMsMax = 2_000;
const reconnectMsMax = 2_000;

type Work = (redis: Redis) => Promise<unknown>;

export class RedisLink {
  readonly keyPrefix: string;
  readonly #redis: Redis;
  readonly #breaker: CircuitBreaker<[Work], unknown>;
  readonly #log: RedisOptions['log'];
  readonly #shown: string;
  #failures = 0;
  #disposed = false;

  constructor(options: RedisOptions) {
    const address = readRedisUrl(options.url);
    if ('problem' in address) throw new TypeError(address.problem);
    this.keyPrefix = options.keyPrefix;
    this.#log = options.log;
    this.#shown = address.shown;
    this.#redis = new Redis(clientOptions(options, address));
    this.#breaker = new CircuitBreaker((work: Work) => work(this.#redis), {
      timeout: false,
      errorThresholdPercentage: 50,
      volumeThreshold: 3,
      resetTimeout: probeEveryMs,
      rollingCountTimeout: 5_000,
      rollingCountBuckets: 5,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      name: 'redis',
    });
    this.#watch();
  }

  #watch(): void {
    const fields = { redis: this.#shown };
    this.#redis.on('ready', () => {
      this.#failures = 0;
      // The connection is new: what was held against the old one no longer counts.
      this.#breaker.close();
      this.#log.info('connected to Redis', fields);
    });
    // Only the words: the error's own fields may hold the command, and a command may hold the password.
    this.#redis.on('error', (error: Error) => {
      this.#failures += 1;
      const say = this.#failures === 1 || this.#failures % 50 === 0 ? this.#log.warn : this.#log.debug;
      say.call(this.#log, 'Redis cannot be reached, trying on', {
        ...fields,
        error: error.message.slice(0, 500),
      });
    });
    this.#breaker.on('open', () =>
      this.#log.warn('Redis does not answer in time, going on without it', fields),
    );
  }

  get connected(): boolean {
    return !this.#disposed && this.#redis.status === 'ready';
  }

  /** The answer, or undefined where Redis is away, slow, or refuses. Never rejects. */
  async run<T>(work: (redis: Redis) => Promise<T>): Promise<T | undefined> {
    if (!this.connected) return undefined;
    let answer: T | undefined;
    const keep = async (redis: Redis): Promise<void> => {
      answer = await work(redis);
    };
    try {
      await this.#breaker.fire(keep);
    } catch (error) {
      this.#log.debug('a Redis command failed', { redis: this.#shown, error: errorName(error) });
    }
    return answer;
  }

  /** Idempotent; waits for nothing. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#breaker.shutdown();
    this.#redis.disconnect();
  }
}

function errorName(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : 'unknown';
}

/** Secrets are revealed here, and nowhere else. */
function clientOptions(options: RedisOptions, address: RedisAddress) {
  const user = options.user ?? address.user;
  const password = (options.password ?? address.password)?.reveal();
  return {
    host: address.host,
    port: address.port,
    db: address.database,
    connectionName: options.name.replace(/[^A-Za-z0-9_-]+/g, '-'),
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(address.encrypted ? { tls: { servername: address.host } } : {}),
    commandTimeout: options.commandMsMax ?? 50,
    socketTimeout: silenceMsMax,
    connectTimeout: connectMsMax,
    // Nothing waits for a Redis that is away, and nothing is sent twice.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    disableClientInfo: true,
    retryStrategy: (times: number) => {
      const most = Math.min(reconnectMsMax, 50 * 2 ** Math.min(10, times));
      return most * (0.5 + options.random() / 2);
    },
  };
}
