/** A whole gateway on a free port of loopback, configured over a memory bus as the registry does it. */

import { createHash } from 'node:crypto';
import { httpListener, sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import { memoryBroker, type MemoryBroker } from '@cruvero/adapter-memory';
import { systemClock } from '@cruvero/chassis';
import { gatewaySubjects, lifecycleSubjects, type ConfigScope } from '@cruvero/contracts';
import {
  defaultBreaker,
  isJsonObject,
  readGatewayId,
  readTenantId,
  type HealthStatus,
  type Json,
  type JsonObject,
} from '@cruvero/core';
import type { Bus, Cache, Clock, Random, StateFile, Upstreams } from '@cruvero/ports';
import { defaultBounds } from '@cruvero/upstream';
import { MemoryTelemetry } from '@cruvero/testkit';
import { pseudoRandom } from './calls.fixture.ts';
import type { GatewayConfig } from './config.ts';
import { startGateway, type Gateway, type GatewayPorts } from './start.ts';

const present = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the fixture was given a bad name');
  return value;
};

export const gatewayId = present(readGatewayId('gw'));

export const baseConfig: GatewayConfig = {
  gatewayId,
  tenantId: present(readTenantId('default')),
  version: '0.0.0-test',
  auth: 'apikey',
  allowedHosts: [],
  allowedOrigins: [],
  subjectPrefix: 'cruvero',
  link: { ...defaultBounds, timeoutMs: 5_000 },
  retry: { retriesMax: 2, backoffMs: 5, backoffMsMax: 20 },
  breaker: { ...defaultBreaker, failuresMax: 1_000 },
  callDeadlineMs: 10_000,
  bodyBytesMax: 256 << 10,
  sessionsMax: 1_000,
  sessionsPerPrincipalMax: 1_000,
  sessionIdleMs: 60_000,
  questionMs: 5_000,
  parkedMax: 100,
  parkedPerPrincipalMax: 20,
  nameStyle: 'canonical',
  sealKeys: undefined,
  streamsMax: 100,
  streamAgeMs: 60_000,
  listAgeMs: 60_000,
  drainMs: 1_000,
  callsMax: 1_000,
};

/** Keys of callers, as they would be shown once at their making. */
export const keys = {
  alice: 'cmk_alice-0123456789',
  bob: 'cmk_bob-0123456789',
  admin: 'cmk_admin-0123456789',
  /** Of another tenant. */
  zoe: 'cmk_zoe-0123456789',
  /** A profile of its own. */
  strict: 'cmk_strict-0123456789',
} as const;

const keyRow = (principal: keyof typeof keys, over: JsonObject = {}): JsonObject => ({
  key_id: principal,
  sha256: createHash('sha256').update(keys[principal]).digest('hex'),
  tenant_id: 'default',
  principal,
  scopes: ['mcp'],
  profile: 'default',
  ...over,
});

export const authPayload = (version = 1): JsonObject => ({
  version,
  mode: 'apikey',
  keys: [
    keyRow('alice'),
    keyRow('bob'),
    keyRow('admin', { scopes: ['admin'] }),
    keyRow('zoe', { tenant_id: 'acme' }),
    keyRow('strict', { profile: 'strict' }),
  ],
});

export const profileRow = (name = 'default', over: JsonObject = {}): JsonObject => ({
  name,
  rate_limit: 100_000,
  rate_burst: 100_000,
  enforcement_mode: 'enforce',
  ...over,
});

export interface ServerFacts {
  readonly name: string;
  readonly endpoint?: string;
  readonly endpoints?: readonly string[];
  readonly transport?: 'http' | 'sse' | 'stdio' | 'inproc';
  readonly tenant?: string;
  readonly tools?: readonly JsonObject[];
  readonly version?: string;
  readonly health?: HealthStatus;
}

export function serverRow(facts: ServerFacts): JsonObject {
  const { name, transport = 'http', tenant = 'default', tools = [], version, health = 'healthy' } = facts;
  const endpoints = facts.endpoints ?? [facts.endpoint ?? `http://${name}.test/mcp`];
  return {
    tenant_id: tenant,
    name,
    ...(version === undefined ? {} : { version }),
    tools,
    instances: endpoints.map((endpoint, at) => ({
      instance_id: `${name}-${at + 1}`,
      transport,
      endpoint,
      weight: 1,
      tags: [],
      health,
    })),
  };
}

export interface StageOptions {
  readonly config?: Partial<GatewayConfig>;
  readonly servers?: readonly ServerFacts[];
  readonly profiles?: readonly JsonObject[];
  /** Default: real HTTP. */
  readonly upstreams?: Upstreams;
  readonly stateFile?: StateFile & { text?: string | undefined };
  readonly clock?: Clock;
  readonly mounts?: GatewayPorts['mounts'];
  /** Of another stage: this one is its replica. */
  readonly broker?: MemoryBroker;
  readonly cache?: Cache;
  readonly sealFile?: StateFile;
  readonly random?: Random;
  /** False: nothing is published before the test does. */
  readonly configured?: boolean;
}

export interface Stage extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly url: string;
  readonly telemetry: MemoryTelemetry;
  readonly broker: MemoryBroker;
  /** The control plane's own connection. */
  readonly world: Bus;
  /** What the gateway reported on `events.<type>`. */
  readonly events: readonly JsonObject[];
  /** What it asked on `config.request`. */
  readonly asked: readonly Json[];
  readonly file: StateFile & { text: string | undefined };
  /** Publishes, and waits until the gateway said that it took it. */
  configure(scope: ConfigScope, payload: JsonObject): Promise<void>;
  /** Puts this fleet in the place of the one before. */
  fleet(servers: readonly ServerFacts[]): Promise<void>;
  judge(server: string, instanceId: string, health: HealthStatus): Promise<void>;
}

/** Keeps what is written in memory. */
export function memoryFile(text?: string): StateFile & { text: string | undefined } {
  return {
    text,
    async read() {
      return this.text;
    },
    async write(written) {
      this.text = written;
    },
  };
}

/** Waits for what the network brings about; fails after `boundMs`. */
export async function until(
  condition: () => boolean,
  what = 'the condition',
  boundMs = 5_000,
): Promise<void> {
  const endMs = performance.now() + boundMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`${what} did not come about within ${boundMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Real HTTP, over connections of its own. */
export function httpUpstreams(clock: Clock = systemClock): Upstreams & AsyncDisposable {
  const http = streamableUpstream({ connectTimeoutMs: 1_000 });
  const sse = sseUpstream({ http, clock });
  return {
    http,
    sse,
    [Symbol.asyncDispose]: async () => {
      await sse[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
    },
  };
}

export async function stage(options: StageOptions = {}): Promise<Stage> {
  const clock = options.clock ?? systemClock;
  const broker = options.broker ?? memoryBroker({ clock, random: pseudoRandom() });
  const ownId = options.config?.gatewayId ?? gatewayId;
  const [bus, world] = [broker.connect(), broker.connect()];
  const telemetry = new MemoryTelemetry();
  const file = (options.stateFile ?? memoryFile()) as Stage['file'];
  const events: JsonObject[] = [];
  const asked: Json[] = [];
  world.subscribe(
    gatewaySubjects.events(ownId),
    ({ body }) => void (isJsonObject(body) && events.push(body)),
  );
  world.subscribe(gatewaySubjects.configRequest(ownId), ({ body }) => void asked.push(body));
  const own = options.upstreams ? undefined : httpUpstreams();
  const gateway = await startGateway(
    { ...baseConfig, ...options.config },
    {
      bus,
      upstreams: options.upstreams ?? own ?? {},
      listener: httpListener({ host: '127.0.0.1', port: 0 }),
      stateFile: file,
      sealFile: options.sealFile ?? memoryFile(),
      clock,
      random: options.random ?? pseudoRandom(),
      telemetry,
      ...(options.mounts === undefined ? {} : { mounts: options.mounts }),
      ...(options.cache === undefined ? {} : { cache: options.cache }),
    },
  );
  let version = 1;
  const configure = async (scope: ConfigScope, payload: JsonObject): Promise<void> => {
    const before = events.length;
    await world.publish(gatewaySubjects.config(ownId, scope), payload);
    const took = (event: JsonObject): boolean =>
      String(event['event_type']).startsWith('config.') &&
      isJsonObject(event['payload']) &&
      event['payload']['scope'] === scope;
    await until(() => events.slice(before).some(took), `an answer to config.${scope}`);
  };
  const fleet = async (servers: readonly ServerFacts[]): Promise<void> => {
    await configure('servers', { version: (version += 1), servers: servers.map(serverRow) });
    if (!(await gateway.ready([], 10_000))) throw new Error('the fleet was not listed in time');
  };
  const judge = async (server: string, instanceId: string, health: HealthStatus): Promise<void> => {
    const standing = health === 'stale' || health === 'expired' ? health : 'active';
    const payload = {
      server,
      instance_id: instanceId,
      old_status: 'active',
      new_status: standing,
      health,
      reason: 'test',
      age_ms: 1,
    };
    const envelope = {
      event_id: `v${(version += 1)}`,
      timestamp: '2026-01-01T00:00:00Z',
      event_type: 'mcp.verdict',
    };
    await world.publish(lifecycleSubjects('cruvero').verdict, { ...envelope, payload });
    await world.flush();
  };
  const stage_: Stage = {
    gateway,
    url: gateway.listening.url,
    telemetry,
    broker,
    world,
    events,
    asked,
    file,
    configure,
    fleet,
    judge,
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
      await own?.[Symbol.asyncDispose]();
      await Promise.all([bus[Symbol.asyncDispose](), world[Symbol.asyncDispose]()]);
    },
  };
  if (options.configured === false) return stage_;
  await configure('auth', authPayload());
  await configure('policy', { version: 1, profiles: options.profiles ?? [profileRow()] });
  await fleet(options.servers ?? []);
  return stage_;
}
