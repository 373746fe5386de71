/** The whole product apart: real servers, and each service as its own process. */

import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

import { claimFolder } from './folder-claim.ts';
import { closeFolder, openFolder } from './folder.ts';
import { keepAlive } from './keep-alive.ts';
import { startNats } from './nats.ts';
import { canListen, freePort } from './ports.ts';
import { startPostgres } from './postgres.ts';
import { inheritedEnv } from './process.ts';
import { keepFolder, releaseFolder } from './reaper-link.ts';
import { startRedis } from './redis.ts';
import type { Server } from './server.ts';
import { serviceNames, serviceOf } from './service.ts';
import type { OwnedService, Service, ServiceName } from './service.ts';

export type PortOwner = ServiceName | 'nats' | 'postgres' | 'redis';

export interface StackOptions {
  /** The checkout. */
  readonly root: string;
  /** All state and all logs; a temporary folder, removed by `stop`, when left out. */
  readonly folder?: string | undefined;
  /** Free ones where left out. */
  readonly ports?: Partial<Record<PortOwner, number>> | undefined;
  /** Added to the environment of every service, over what the stack itself sets. `CRUVERO_*` of this process is not handed on. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Which services run; all when left out. */
  readonly only?: readonly ServiceName[] | undefined;
  /** The file that a service starts from; `apps/<name>/src/main.ts` when left out. */
  readonly entry?: ((name: ServiceName) => string) | undefined;
  /** Waits for the gateway's line `ready <url>`; true when left out. */
  readonly awaitReady?: boolean | undefined;
  /** Bound of each service's start and of the gateway's readiness; 60 s when left out. */
  readonly readyWithinMs?: number | undefined;
  /** Starts again what dies by itself; false when left out. */
  readonly restartOnDeath?: boolean | undefined;
  /** Told of deaths and restarts. */
  readonly onEvent?: ((line: string) => void) | undefined;
}

export interface Stack extends AsyncDisposable {
  readonly folder: string;
  readonly nats: Server;
  readonly postgres: Server;
  readonly redis: Server;
  readonly services: Readonly<Record<ServiceName, Service>>;
  /** The services that run, in starting order. */
  readonly running: readonly Service[];
  /** `http://127.0.0.1:<port>`; the gateway's endpoints are below it. */
  readonly gatewayUrl: string;
  readonly registryUrl: string;
  /** Stops everything in the reverse order of need. May be called twice. */
  stop(): Promise<void>;
}

/** @throws when something does not start, with the end of its log; nothing stays behind then. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const folder = await openFolder('stack', options.folder);
  await using undo = new AsyncDisposableStack();
  if (folder.temporary) {
    keepFolder(folder.path);
    undo.defer(async () => {
      await closeFolder(folder);
      releaseFolder(folder.path);
    });
  }
  undo.defer(claimFolder(folder.path));

  // Given folders below a temporary stack: the state must outlive a killed server, and it vanishes with the stack's folder.
  const { postgres, nats, redis } = await startServers(
    folder.path,
    folder.temporary,
    options.ports ?? {},
    undo,
  );
  const services = await planServices(options, folder.path, { postgres, nats, redis });
  const chosen = serviceNames
    .filter((name) => options.only?.includes(name) ?? true)
    .map((name) => services[name]);
  // The registry first, because the others ask for it; all could wait.
  const running: OwnedService[] = [];
  for (const service of chosen) {
    undo.defer(() => service.stop());
    if (await startOrGoWithout(service, options.onEvent)) running.push(service);
  }
  if (options.awaitReady !== false && chosen.includes(services.gateway)) {
    await services.gateway.ready(options.readyWithinMs);
  }
  if (options.restartOnDeath === true) {
    const onEvent = options.onEvent ?? (() => undefined);
    for (const mortal of [postgres, nats, redis, ...running]) undo.defer(keepAlive(mortal, { onEvent }));
  }

  const all = undo.move();
  const stop = async (): Promise<void> => await all.disposeAsync();
  return {
    folder: folder.path,
    nats,
    postgres,
    redis,
    services,
    running,
    gatewayUrl: services.gateway.url,
    registryUrl: services.registry.url,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Not every machine lets code be run behind a boundary; all the rest works without. */
async function startOrGoWithout(service: OwnedService, onEvent: StackOptions['onEvent']): Promise<boolean> {
  try {
    await service.start();
    return true;
  } catch (error) {
    if (service.name !== 'code-exec') throw error;
    await service.stop();
    onEvent?.(`code-exec does not run here: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

interface Servers {
  readonly postgres: Server;
  readonly nats: Server;
  readonly redis: Server;
}

async function startServers(
  folder: string,
  temporary: boolean,
  ports: NonNullable<StackOptions['ports']>,
  undo: AsyncDisposableStack,
): Promise<Servers> {
  const logs = join(folder, 'logs');
  await mkdir(logs, { recursive: true });
  const at = (name: 'nats' | 'postgres' | 'redis') => ({
    folder: join(folder, name),
    port: ports[name],
    logFile: join(logs, `${name}.log`),
  });
  const started = await Promise.allSettled([
    // A temporary stack takes the quick way of making a database.
    startPostgres(temporary ? { ...at('postgres'), folder: undefined } : at('postgres')),
    startNats(at('nats')),
    startRedis(at('redis')),
  ]);
  for (const each of started) if (each.status === 'fulfilled') undo.defer(() => each.value.stop());
  const [postgres, nats, redis] = started.map((each) => {
    if (each.status === 'rejected') throw each.reason;
    return each.value;
  });
  if (!postgres || !nats || !redis) throw new Error('three servers were asked for');
  return { postgres, nats, redis };
}

async function planServices(
  { root, ports = {}, env, entry, readyWithinMs = 60_000 }: StackOptions,
  folder: string,
  servers: Servers,
): Promise<Record<ServiceName, OwnedService>> {
  const portOf = async (name: ServiceName): Promise<number> => {
    const given = ports[name];
    if (given === undefined) return await freePort();
    if (!(await canListen(given)))
      throw new Error(`${name} cannot listen on 127.0.0.1:${given}: the port is taken`);
    return given;
  };
  const port = {
    registry: await portOf('registry'),
    'credential-broker': await portOf('credential-broker'),
    'health-monitor': await portOf('health-monitor'),
    'stdio-bridge': await portOf('stdio-bridge'),
    'code-exec': await portOf('code-exec'),
    gateway: await portOf('gateway'),
  } satisfies Record<ServiceName, number>;
  const cwd = resolve(root);
  const keyOf = credentialKeys();
  const plan = (name: ServiceName): OwnedService =>
    serviceOf({
      name,
      entry: entry?.(name) ?? join(cwd, 'apps', name, 'src/main.ts'),
      port: port[name],
      cwd,
      env: {
        ...foreignEnv(),
        ...stackEnv(cwd, servers, port),
        CRUVERO_DATA_DIR: join(folder, name),
        ...(name === 'credential-broker' ? brokerEnv(join(folder, name), keyOf) : askerEnv(name, keyOf)),
        ...env,
      },
      logFolder: join(folder, 'logs'),
      readyWithinMs,
    });
  return {
    registry: plan('registry'),
    'credential-broker': plan('credential-broker'),
    'health-monitor': plan('health-monitor'),
    'stdio-bridge': plan('stdio-bridge'),
    'code-exec': plan('code-exec'),
    gateway: plan('gateway'),
  };
}

/** Where everything is, in the words of the services' configuration. */
function stackEnv(
  root: string,
  { nats, postgres, redis }: Servers,
  port: Record<ServiceName, number>,
): NodeJS.ProcessEnv {
  return {
    CRUVERO_CONFIG: join(root, 'cruvero.json'),
    CRUVERO_DATABASE_URL: postgres.url,
    CRUVERO_DRAGONFLY_ADDR: `127.0.0.1:${redis.port}`,
    CRUVERO_EVENTS_BACKEND: 'nats',
    CRUVERO_EVENTS_SUBJECT_PREFIX: 'cruvero',
    CRUVERO_NATS_URL: nats.url,
    CRUVERO_MCP_DISCOVERY: 'both',
    CRUVERO_MCP_REGISTRY_ENABLED: 'true',
    CRUVERO_MCPGW_GATEWAY_ID: 'gw-1',
    CRUVERO_MCPGW_LISTEN_ADDR: `127.0.0.1:${port.gateway}`,
    CRUVERO_REGISTRY_LISTEN_ADDR: `127.0.0.1:${port.registry}`,
    CRUVERO_CREDENTIAL_BROKER_LISTEN_ADDR: `127.0.0.1:${port['credential-broker']}`,
    CRUVERO_HEALTH_MONITOR_LISTEN_ADDR: `127.0.0.1:${port['health-monitor']}`,
    CRUVERO_STDIO_BRIDGE_LISTEN_ADDR: `127.0.0.1:${port['stdio-bridge']}`,
    MCP_CODE_EXEC_PORT: String(port['code-exec']),
  };
}

const askers = ['gateway', 'stdio-bridge', 'registry'] as const;
type Asker = (typeof askers)[number];
type Keys = Readonly<Record<Asker, string>>;

/** Of this stack only: each service has its own, and the broker knows all of them. */
function credentialKeys(): Keys {
  const key = (): string => randomBytes(32).toString('base64');
  return { gateway: key(), 'stdio-bridge': key(), registry: key() };
}

function askerEnv(name: ServiceName, keys: Keys): NodeJS.ProcessEnv {
  const asker = askers.find((each) => each === name);
  return asker === undefined ? {} : { CRUVERO_CREDENTIAL_ASKER: asker, CRUVERO_CREDENTIAL_KEY: keys[asker] };
}

function brokerEnv(folder: string, keys: Keys): NodeJS.ProcessEnv {
  return {
    CRUVERO_CREDENTIAL_ASKERS: askers.map((asker) => `${asker}=${keys[asker]}`).join(','),
    CRUVERO_CREDENTIAL_GRANTS: 'gateway:*/*,stdio-bridge:default/*',
    CRUVERO_CREDENTIAL_WRITERS: 'registry:*/*',
    CRUVERO_CREDENTIAL_FILE: join(folder, 'credentials.enc'),
  };
}

/** This process's environment without the product's own settings: a stack's layout must not depend on the shell it starts in. */
function foreignEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(inheritedEnv()).filter(([name]) => !/^(?:CRUVERO|MCP_CODE_EXEC)_/.test(name)),
  );
}
