/** What replicas share and may lose: a cache and counts, in Redis. */

export { readRedisUrl, type AddressProblem, type RedisAddress, type SecretText } from './address.ts';
export { connectRedis, type RedisStores } from './connect.ts';
export type { RedisOptions } from './link.ts';
