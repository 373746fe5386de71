/** Cache and Counter over one connection to Redis, or to what speaks its protocol. */

import type { Cache, Counter } from '@cruvero/ports';

import type { RedisOptions } from './link.ts';
import { RedisLink } from './link.ts';

/** Larger values are not kept: they would cost every neighbour on the connection its bound. */
const valueLengthMax = 4 << 20;

/** Adds one, and lets the count end by itself; in one step, so that no count without an end can stay behind. */
const addScript = `local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return n`;

export interface RedisStores {
  readonly cache: Cache;
  readonly counter: Counter;
  readonly connected: boolean;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Returns at once and keeps trying for ever; until Redis is there every read is a miss. Disposing of cache or counter
 * ends that one only, disposing of the whole closes the connection. Throws a TypeError for a URL that cannot be read
 * (check it with `readRedisUrl` first).
 */
export async function connectRedis(options: RedisOptions): Promise<RedisStores> {
  const link = new RedisLink(options);
  return {
    cache: redisCache(link),
    counter: redisCounter(link),
    get connected() {
      return link.connected;
    },
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  };
}

function redisCache(link: RedisLink): Cache {
  const keyOf = (key: string): string => `${link.keyPrefix}cache:${key}`;
  let open = true;
  return {
    async get(key) {
      if (!open) return undefined;
      return (await link.run((redis) => redis.get(keyOf(key)))) ?? undefined;
    },
    async set(key, value, ttlMs) {
      if (!open) return;
      const keep = ttlMs >= 1 && value.length <= valueLengthMax;
      await link.run<unknown>((redis) =>
        keep ? redis.set(keyOf(key), value, 'PX', Math.floor(ttlMs)) : redis.unlink(keyOf(key)),
      );
    },
    async delete(key) {
      if (open) await link.run((redis) => redis.unlink(keyOf(key)));
    },
    async [Symbol.asyncDispose]() {
      open = false;
    },
  };
}

function redisCounter(link: RedisLink): Counter {
  let open = true;
  return {
    async add(key, windowMs, nowMs) {
      if (!open) return undefined;
      const window = Math.floor(nowMs / windowMs);
      // Two windows long: clocks of replicas differ a little, and a late one still finds its window.
      const lifeMs = Math.ceil(2 * windowMs);
      const name = `${link.keyPrefix}count:${window}:${Math.floor(windowMs)}:${key}`;
      const count = await link.run((redis) => redis.eval(addScript, 1, name, lifeMs));
      return typeof count === 'number' ? count : undefined;
    },
    async [Symbol.asyncDispose]() {
      open = false;
    },
  };
}
