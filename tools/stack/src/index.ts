/** Real servers for tests and for the local stack. */

export { findServers } from './find-servers.mjs';
export type { FoundServers, MissingServer } from './find-servers.mjs';
export { startNats } from './nats.ts';
export { canListen, freePort } from './ports.ts';
export { startPostgres } from './postgres.ts';
export type { PostgresOptions } from './postgres.ts';
export { startRedis } from './redis.ts';
export type { Server, ServerOptions } from './server.ts';
export { startStack } from './stack.ts';
export type { Stack, StackOptions } from './stack.ts';
export type { Service, ServiceName } from './service.ts';
export { serviceNames } from './service.ts';
