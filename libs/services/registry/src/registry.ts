/** The control plane in one call: consumes what servers say, keeps the rows, tells gateways, answers REST. */

import { randomBytes } from 'node:crypto';
import { Health } from '@cruvero/chassis';
import type { ServerName } from '@cruvero/core';
import { StoreUnavailable } from '@cruvero/ports';
import type {
  Bus,
  Clock,
  ConfiguredServer,
  CredentialWriter,
  HttpHandler,
  Listener,
  Listening,
  ServersRead,
  ServersSource,
  ServerStore,
  Telemetry,
} from '@cruvero/ports';
import type { AnnounceParts } from './announce.ts';
import type { SecretBytes } from './api-keys.ts';
import type { RegistryConfig } from './config.ts';
import { Discovery } from './discovery.ts';
import { expectedServers } from './expected.ts';
import { FileFollower } from './file-follower.ts';
import { isUnreadable, syncFile } from './file-source.ts';
import { firstStart } from './first-start.ts';
import type { FirstKeys } from './first-start.ts';
import { GatewayEar } from './gateways.ts';
import { registryMetrics } from './metrics.ts';
import { OutboxPublisher } from './outbox.ts';
import { registryHandler } from './rest/app.ts';
import { KeyRing } from './rest/authenticate.ts';
import { SnapshotPublisher } from './snapshots.ts';

export interface RegistryModules {
  readonly store: ServerStore;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly serversSource?: ServersSource;
  /** Writes secrets down; absent where there is no credential broker. */
  readonly secrets?: CredentialWriter;
  /** Absent where another service mounts `handler`. */
  readonly listener?: Listener;
  /** For API keys; the system's own by default. */
  readonly secretBytes?: SecretBytes;
}

export interface Registry extends AsyncDisposable {
  readonly handler: HttpHandler;
  /** Absent without a listener. */
  readonly listening?: Listening;
  /** Once, at the first start on an empty store. */
  readonly firstKeys?: FirstKeys;
  /** Those of the configured servers that gateways will be told of: not one that was refused or taken out of service. */
  expected(configured: readonly ConfiguredServer[]): Promise<readonly ServerName[]>;
}

/** Event ids are remembered for twice as long as the stream keeps messages. */
const sightsMs = 2 * 3_600_000;
const sweepMs = 600_000;
const graceMs = 5_000;

/**
 * Rejects where the store cannot be read at start, or the address cannot be bound. Owns neither store nor
 * bus.
 */
export async function startRegistry(config: RegistryConfig, modules: RegistryModules): Promise<Registry> {
  const { store, bus, clock, telemetry, serversSource, listener } = modules;
  const log = telemetry.log.with({ part: 'registry' });
  const metrics = registryMetrics(telemetry.metrics);
  const bytes = modules.secretBytes ?? ((count) => randomBytes(count));
  const file = config.discovery === 'nats' ? undefined : serversSource;
  const configured: { names?: ReadonlySet<ServerName> } = {};
  const apply = announceParts(config, clock, () => configured.names);
  const follow = (read: ServersRead): Promise<boolean> => {
    if (!isUnreadable(read)) configured.names = new Set(read.servers.map((entry) => entry.name));
    return syncFile(read, { store, log, tenantId: config.tenantId, change: apply });
  };
  const firstKeys = await firstStart(config, store, apply, bytes);

  const outbox = new OutboxPublisher({ store, bus, clock, log, metrics });
  const snapshots = new SnapshotPublisher({ store, bus, clock, log, metrics, authMode: config.authMode });
  const changed = (): void => {
    outbox.kick();
    snapshots.changed();
  };
  const discovery = new Discovery(config, { bus, store, clock, log, metrics, apply, changed });
  const asked = snapshots.asked.bind(snapshots);
  const ear = new GatewayEar({ bus, store, clock, log, asked });
  const files = file && new FileFollower(file, follow, { clock, log, changed });
  const sweep = clock.every(sweepMs, () => void forgetOldSights(store, clock, telemetry));

  const reconnect = async (): Promise<void> => {
    await discovery.open();
    changed();
  };
  const states = bus.onState((state) => {
    log.info(`the bus is ${state}`);
    if (state === 'connected') void reconnect();
  });
  await files?.open();
  await reconnect();

  const health = healthOf(modules);
  const status = { service: 'registry', version: config.version, health, metrics: telemetry.metrics };
  const ring = new KeyRing(store, clock);
  const { secrets } = modules;
  const rest = { store, bus, clock, change: apply, ring, bytes, changed, log, status, secrets };
  const handler = registryHandler(config, rest);
  const stop = async (listening?: Listening): Promise<void> => {
    health.drain();
    await listening?.close(graceMs);
    sweep.cancel();
    files?.close();
    await Promise.all([states.close(), ear.close(), discovery.close()]);
    // Last: what the others committed is still published.
    await Promise.all([outbox.close(), snapshots.close()]);
  };
  const listening = await listener?.listen(handler).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  let stopped: Promise<void> | undefined;
  return {
    handler,
    ...(listening === undefined ? {} : { listening }),
    ...(firstKeys === undefined ? {} : { firstKeys }),
    expected: (servers) => expectedServers(servers, config.tenantId, store),
    [Symbol.asyncDispose]: () => (stopped ??= stop(listening)),
  };
}

function announceParts(
  { subjectPrefix, tenantId, acceptInproc }: RegistryConfig,
  clock: Clock,
  configured: AnnounceParts['configured'],
): AnnounceParts {
  return { subjectPrefix, clock, configured, tenantId, acceptInproc };
}

function healthOf({ store, bus, clock }: RegistryModules): Health {
  const health = new Health(clock);
  health.add('store', async () => void (await store.ping()));
  health.add('bus', () => (bus.state() === 'connected' ? undefined : 'the bus is not connected'));
  return health;
}

async function forgetOldSights(store: ServerStore, clock: Clock, { log }: Telemetry): Promise<void> {
  try {
    await store.forgetSights(clock.nowMs() - sightsMs);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) log.error('old event ids stay', { error });
  }
}
