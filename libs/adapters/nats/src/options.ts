/** What a connection to NATS needs to know, and the options of the client library that follow from it. */

import type { NodeConnectionOptions } from '@nats-io/transport-node';

import type { Clock, Log, Metrics, Random } from '@cruvero/ports';

import type { NatsAddress, SecretText } from './address.ts';
import { readNatsUrl } from './address.ts';

export interface NatsTls {
  /** PEM files, read at each connection. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface NatsCredentials {
  /** `nats://host:4222`, `tls://…`, several with commas. Credentials in it are used, and never shown. */
  readonly url: string;
  /** Told to the server: names this connection in its monitoring. */
  readonly name: string;
  readonly user?: string;
  readonly password?: SecretText;
  readonly token?: SecretText;
  readonly tls?: NatsTls;
}

export interface NatsOptions extends NatsCredentials {
  readonly clock: Clock;
  /** Spreads reconnects, so that a fleet does not come back in one instant. */
  readonly random: Random;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** Counts what was dropped, as `cruvero_bus_dropped_total`. */
  readonly metrics?: Pick<Metrics, 'counter'>;
  /** Copies of each stream and bucket in a NATS cluster, 1 (default) to 5. */
  readonly replicas?: number;
  /** Closing waits at most this long for what is under way; 5,000 unless said. */
  readonly drainMsMax?: number;
}

export const drainMsOf = (options: Pick<NatsOptions, 'drainMsMax'>): number => options.drainMsMax ?? 5_000;

/** A handshake that takes longer has failed. */
const handshakeMsMax = 3_000;
/** A server that answers no ping for two of these is given up: a hung server or a cut cable says nothing. */
const pingMs = 5_000;

export function addressOf(options: NatsCredentials): NatsAddress {
  const address = readNatsUrl(options.url);
  if ('problem' in address) throw new TypeError(address.problem);
  return {
    ...address,
    ...(options.user === undefined ? {} : { user: { reveal: () => options.user ?? '' } }),
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.token === undefined ? {} : { token: options.token }),
  };
}

/** Secrets are revealed here, at the moment of connecting, and nowhere else. */
export function clientOptions(options: NatsCredentials, address: NatsAddress): NodeConnectionOptions {
  const tls = address.encrypted || options.tls !== undefined ? { tls: { ...options.tls } } : {};
  return {
    servers: [...address.servers],
    name: options.name,
    timeout: handshakeMsMax,
    pingInterval: pingMs,
    maxPingOut: 2,
    noAsyncTraces: true,
    ignoreClusterUpdates: true,
    ...(address.user === undefined ? {} : { user: address.user.reveal() }),
    ...(address.password === undefined ? {} : { pass: address.password.reveal() }),
    ...(address.token === undefined ? {} : { token: address.token.reveal() }),
    ...tls,
  };
}

/** The words of an error without the secrets that could have found their way into them; bounded. */
export function errorWords(error: unknown, address: NatsAddress): string {
  let words = error instanceof Error ? error.message || error.name : String(error);
  for (const secret of [address.password, address.token]) {
    const text = secret?.reveal();
    if (text) words = words.replaceAll(text, '***');
  }
  return words.slice(0, 500);
}
