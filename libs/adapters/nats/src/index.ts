/** The bus over NATS, and what an operator may see and do there. */

export { readNatsUrl, type AddressProblem, type NatsAddress, type SecretText } from './address.ts';
export { connectNats } from './connect.ts';
export type { NatsCredentials, NatsOptions, NatsTls } from './options.ts';
export {
  natsAdmin,
  type ConsumerRow,
  type NatsAdmin,
  type RawMessage,
  type ServerStatus,
  type StoredAt,
  type StreamRow,
} from './admin.ts';
