/** Puts the gateway together: state, catalog, pipeline, doors. Everything else is a part with one task. */

import { randomBytes } from 'node:crypto';
import {
  serverKey,
  type ListKind,
  type Server,
  type ServerName,
  type Snapshot,
  type TenantId,
} from '@cruvero/core';
import { Health, isLoopbackHost } from '@cruvero/chassis';
import type {
  Bus,
  Cache,
  Clock,
  Counter,
  Credentials,
  HttpHandler,
  Listening,
  Listener,
  Random,
  StateFile,
  Telemetry,
  Timer,
  Upstreams,
} from '@cruvero/ports';
import { Calls } from './calls.ts';
import type { Dialogues } from './callers/dialogues.ts';
import { RequestStates } from './callers/request-states.ts';
import { Catalog } from './catalog/catalog.ts';
import type { GatewayConfig } from './config.ts';
import { dialogueRooms } from './dialogue-rooms.ts';
import { startControlLink, type ControlLink } from './control/control-link.ts';
import { readLastKnown, writeLastKnown, type LastKnown } from './control/last-known.ts';
import { SnapshotState, type SnapshotChange } from './control/state.ts';
import { gatewayInfo } from './faces.ts';
import { credentialFilter } from './filters/credential.ts';
import { balancer, type Balancer, type BalanceParts } from './filters/balance.ts';
import { limitFilter, rateLimit, type RateLimit } from './filters/limit.ts';
import { measureFilter } from './filters/measure.ts';
import { pauseFor, retryFilter, type Tried } from './filters/retry.ts';
import { forwarder, type ForwardParts } from './forward.ts';
import { aggregateDoor, front } from './http/front.ts';
import { serveMcp } from './http/mcp-endpoint.ts';
import { mcpV1, mcpV1Prefix } from './http/mcp-v1.ts';
import { restFacade, restPrefix } from './http/rest-facade.ts';
import { SseDoor } from './http/sse-door.ts';
import { Streams } from './http/streams.ts';
import { Links } from './links.ts';
import { LegacyTasks } from './legacy-tasks.ts';
import type { Door } from './door.ts';
import { pipeline, type Next } from './pipeline.ts';
import { Push, type IsMember } from './push.ts';
import type { ResourceEars } from './listening/resource-ears.ts';
import type { Replicas } from './replicas.ts';
import { openSeal, type Seal } from './seal.ts';
import { sessionMemory } from './session-memory.ts';
import type { SessionTalk } from './session-talk.ts';
import type { SessionEars } from './sessions/session-ears.ts';
import type { SessionMethods } from './sessions/session-methods.ts';
import { sessionAgeMsMax, type ClientSessions } from './sessions/sessions.ts';
import { TaskIds } from './task-ids.ts';

export interface GatewayPorts {
  readonly bus: Bus;
  readonly upstreams: Upstreams;
  readonly listener: Listener;
  readonly stateFile: StateFile;
  /** Keeps the gateway's own seal key where none is configured. */
  readonly sealFile: StateFile;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Shared by replicas; without it each replica holds callers to their rate on its own. */
  readonly counter?: Counter;
  /** Shared by replicas; without it what changes in a session is lost with its replica. */
  readonly cache?: Cache;
  /** Without it servers that want a credential cannot be called. */
  readonly credentials?: Credentials;
  /** Other HTTP behind the same address, such as the registry's admin API in the embedded layout. */
  readonly mounts?: readonly { readonly prefix: string; readonly handler: HttpHandler }[];
}

export interface Gateway extends AsyncDisposable {
  readonly listening: Listening;
  readonly health: Health;
  /**
   * Resolves when configuration has come (or was known from before), these servers of the default tenant are in it, and every
   * server was asked for its lists once; false where that took longer than `timeoutMs`.
   */
  ready(names: readonly ServerName[], timeoutMs: number): Promise<boolean>;
  snapshot(): Snapshot;
}

/** Written at most this often; a change in between is written with the next. */
const writeEveryMs = 1_000;
const sweepEveryMs = 30_000;

/**
 * Rejects where the address cannot be bound. Disposing drains: not ready at once, streams told to end, running calls given
 * `drainMs` to finish. Owns none of its ports.
 */
export async function startGateway(config: GatewayConfig, ports: GatewayPorts): Promise<Gateway> {
  const known = await readLastKnown(ports.stateFile, ports.telemetry.log);
  const seal = await openSeal(config.sealKeys?.reveal(), ports.sealFile, ports.telemetry.log);
  const rooms = furnish(config, ports, known, seal);
  const {
    sessions,
    streams,
    links,
    state,
    catalog,
    push,
    calls,
    control,
    writer,
    dialogues,
    replicas,
    talk,
  } = rooms;
  const health = readiness(ports.clock, state);
  const sweeper = ports.clock.every(sweepEveryMs, () => {
    sessions.sweep();
    links.sweep();
  });
  gauges(ports.telemetry, rooms);
  const listening = await openDoors(config, ports, rooms, health);
  return {
    listening,
    health,
    ready: (names, timeoutMs) => untilReady(config, rooms, ports.clock, names, timeoutMs),
    snapshot: () => state.current(),
    [Symbol.asyncDispose]: async () => {
      health.drain();
      sweeper.cancel();
      sessions.endStreams();
      streams.close();
      await control.close();
      await listening.close(config.drainMs);
      calls.endAll();
      dialogues.close();
      sessions.closeAll();
      await Promise.all([replicas.close(), talk.close()]);
      // Before the catalog: once closed it knows no lists to write down.
      await writer.close();
      catalog.close();
      push.close();
      await links.close();
    },
  };
}

/** Looks again a few times a second; nothing waits for it but the line `ready`. */
const lookEveryMs = 50;

async function untilReady(
  config: GatewayConfig,
  { state, catalog }: Rooms,
  clock: Clock,
  names: readonly ServerName[],
  timeoutMs: number,
): Promise<boolean> {
  const untilMs = clock.monotonicMs() + timeoutMs;
  const present = (): boolean => {
    const { servers } = state.current();
    return (
      state.payloads().auth !== undefined &&
      names.every((name) => servers.has(serverKey(config.tenantId, name)))
    );
  };
  while (!present() || !catalog.isSettled()) {
    if (clock.monotonicMs() >= untilMs) return false;
    await new Promise<void>((resolve) => clock.after(lookEveryMs, resolve));
  }
  return true;
}

interface Rooms {
  readonly push: Push;
  readonly streams: Streams;
  readonly links: Links;
  readonly state: SnapshotState;
  readonly catalog: Catalog;
  readonly control: ControlLink;
  readonly writer: Writer;
  readonly states: RequestStates;
  readonly sessions: ClientSessions;
  readonly ears: SessionEars;
  readonly resourceEars: ResourceEars;
  readonly sessionMethods: SessionMethods;
  readonly dialogues: Dialogues;
  readonly replicas: Replicas;
  readonly talk: SessionTalk;
  readonly calls: Calls;
}

/** The parts, each given just what it uses. Those that tell each other of changes meet in `followed`. */
function furnish(config: GatewayConfig, ports: GatewayPorts, known: LastKnown, seal: Seal): Rooms {
  const { clock, random, telemetry } = ports;
  const push = new Push(
    clock,
    memberOf(() => state.current()),
  );
  const links = linksOf(config, ports, seal);
  const followed = (change: SnapshotChange): void => {
    catalog.follow(change);
    tellOfVirtuals(change, push);
    writer.soon();
    forgetGone(change.after, links, balance);
    dialogues.sessionMethods.rehear(change.after);
    reportChange(control, change, clock);
  };
  const state = new SnapshotState(config.gatewayId, known.payloads, followed);
  const writer = new Writer(ports, () => ({ payloads: state.payloads(), lists: catalog.known() }));
  const offered = (tenantId: TenantId, server: Server, kinds: readonly ListKind[]): void => {
    push.changed(tenantId, server, kinds);
    writer.soon();
  };
  const catalog = new Catalog(
    {
      links,
      clock,
      random,
      telemetry,
      snapshot: () => state.current(),
      listAgeMs: config.listAgeMs,
      onChange: offered,
    },
    known.lists,
  );
  const control = startControlLink(config, {
    bus: ports.bus,
    clock,
    random,
    telemetry,
    current: () => state.payloads(),
    onPayload: (scope, payload) => {
      if (state.apply(scope, payload))
        control.report('config.applied', { scope, versions: { ...state.current().versions } });
    },
    onVerdict: (key, health) => state.judge(key, health),
  });
  followCredentials(ports.credentials, state, catalog);
  const states = new RequestStates(seal, clock);
  const taskIds = new TaskIds(seal);
  const legacyTasks = new LegacyTasks(new TaskIds(seal, 'legacy-task'), ports.cache);
  const { balance, limit, way } = wayOfCalls(
    config,
    ports,
    { links, catalog, states, taskIds, legacyTasks },
    (server, instance, admitted) => reportHealth(control, server, instance.instanceId, admitted),
    ({ tenantId, name }) => state.current().servers.has(serverKey(tenantId, name)),
  );
  const dialogues = dialogueRooms(config, ports, {
    ...{ links, states, taskIds, legacyTasks, seal },
    snapshot: () => state.current(),
  });
  const { sessionMethods } = dialogues;
  const { version, callsMax, codeExecRequired } = config;
  const calls = new Calls({
    ...{ catalog, links, sessionMethods, taskIds, legacyTasks, version, callsMax, codeExecRequired },
    pipeline: way,
    limit,
  });
  const streams = new Streams(config, clock);
  return { push, streams, links, state, catalog, control, writer, states, calls, ...dialogues };
}

/** A server that could not be listed for want of a credential is looked at as soon as there is one. */
function followCredentials(
  credentials: Credentials | undefined,
  state: SnapshotState,
  catalog: Pick<Catalog, 'refresh'>,
): void {
  credentials?.onChange(({ tenantId, integration, change }) => {
    if (change === 'gone') return;
    for (const server of state.current().servers.values()) {
      if (server.tenantId === tenantId && server.credential?.secretRef === integration)
        void catalog.refresh(server);
    }
  });
}

function memberOf(snapshot: () => Snapshot): IsMember {
  return (tenantId, virtual, server) => {
    const definition = snapshot().virtuals.get(serverKey(tenantId, virtual));
    return definition?.members.some((member) => member.server === server) ?? false;
  };
}

function tellOfVirtuals({ virtuals }: SnapshotChange, push: Push): void {
  for (const { tenantId, name } of [...virtuals.added, ...virtuals.changed, ...virtuals.removed])
    push.virtualChanged(tenantId, name);
}

function linksOf(config: GatewayConfig, ports: GatewayPorts, seal: Seal): Links {
  const { upstreams, clock, random, cache, credentials } = ports;
  const clientInfo = gatewayInfo(config.version);
  const memory = cache && sessionMemory(cache, seal, sessionAgeMsMax);
  const reach = { upstreams, clock, random, clientInfo, ...(memory ? { memory } : {}) };
  return new Links(config.link, reach, credentials);
}

/** The pipeline with its filters; its order stands in pipeline.ts. */
function wayOfCalls(
  config: GatewayConfig,
  { clock, random, telemetry, counter, credentials }: GatewayPorts,
  parts: Pick<ForwardParts, 'links' | 'catalog' | 'states' | 'taskIds' | 'legacyTasks'>,
  onHealth: BalanceParts['onHealth'],
  isConfigured: (server: Server) => boolean,
): { readonly balance: Balancer; readonly limit: RateLimit; readonly way: Next } {
  const tried: Tried = new WeakMap();
  const pause = (delayMs: number, signal: AbortSignal): Promise<void> => pauseFor(delayMs, signal, clock);
  const forward = credentialFilter(credentials)(forwarder({ ...parts, telemetry, pause }));
  const balance = balancer(config.breaker, forward, {
    clock,
    random,
    telemetry,
    tried,
    onHealth,
  });
  const limit = rateLimit(clock, telemetry, counter);
  const filters = {
    measure: measureFilter(
      clock,
      telemetry,
      ({ server, target }) => parts.catalog.toolOf(server, target) !== undefined,
    ),
    limit: limitFilter(limit),
    retry: retryFilter(config.retry, { clock, random, telemetry, tried, isConfigured }),
  };
  return { balance, limit, way: pipeline(filters, balance.next) };
}

async function openDoors(
  config: GatewayConfig,
  ports: GatewayPorts,
  rooms: Rooms,
  health: Health,
): Promise<Listening> {
  const { clock, telemetry } = ports;
  const { state, calls, catalog } = rooms;
  const snapshot = (): Snapshot => state.current();
  const eventTag = randomBytes(6).toString('base64url').replace(/[-_]/g, 'x');
  const endpoint = { ...rooms, config, clock, snapshot, eventTag };
  const sse = new SseDoor(endpoint);
  const doorOf = (url: string): Door => aggregateDoor(url, config.nameStyle);
  // The address is known only once the listener is open, and needed only when a request comes.
  const where: { listening?: Listening } = {};
  const handler = front({
    status: { service: 'gateway', version: config.version, health, metrics: telemetry.metrics },
    telemetry,
    allowedHosts: config.allowedHosts,
    allowedOrigins: config.allowedOrigins,
    nameStyle: config.nameStyle,
    loopback: () => isLoopbackHost(where.listening?.host ?? ''),
    home: () => ({
      version: config.version,
      url: where.listening?.url ?? '',
      needsKey: config.auth !== 'none',
      servers: snapshot().servers.size,
    }),
    serveMcp: (request, response, door) => serveMcp(request, response, door, endpoint),
    openSse: (request, response, door) => sse.open(request, response, door),
    takeSse: (request, response) => sse.take(request, response),
    mounts: [
      { prefix: mcpV1Prefix, handler: mcpV1({ config, calls, clock, snapshot, log: telemetry.log, doorOf }) },
      {
        prefix: restPrefix,
        handler: restFacade({ config, calls, catalog, clock, snapshot, log: telemetry.log }),
      },
      ...(ports.mounts ?? []),
    ],
  });
  where.listening = await ports.listener.listen(handler);
  return where.listening;
}

function readiness(clock: Clock, state: SnapshotState): Health {
  const health = new Health(clock);
  health.add('snapshot', () =>
    state.payloads().auth ? undefined : 'no configuration has come from the control plane yet',
  );
  return health;
}

function forgetGone(snapshot: Snapshot, links: Links, balance: Balancer): void {
  balance.keepOnly(snapshot.servers.values());
  void links.keepOnly(snapshot.servers.values());
}

function reportChange(control: ControlLink, change: SnapshotChange, clock: Clock): void {
  const occurredAt = new Date(clock.nowMs()).toISOString();
  for (const server of change.added)
    control.report('server.registered', { ...serverFields(server), occurred_at: occurredAt });
  for (const server of change.changed) {
    control.report('server.capabilities_changed', {
      ...serverFields(server),
      tool_names: server.tools.map((t) => String(t['name'])),
    });
  }
  for (const server of change.removed)
    control.report('server.deregistered', {
      ...serverFields(server),
      reason: 'not in the snapshot any more',
    });
}

function serverFields(server: Server) {
  return {
    server_id: `${server.tenantId}/${server.name}`,
    name: server.name,
    capability_hash: server.capabilitiesHash ?? '',
  };
}

function reportHealth(control: ControlLink, server: Server, instanceId: string, admitted: boolean): void {
  control.report('server.health_changed', {
    ...serverFields(server),
    instance_id: instanceId,
    old_status: admitted ? 'stale' : 'active',
    new_status: admitted ? 'active' : 'stale',
  });
}

function gauges({ metrics }: Telemetry, { sessions, streams, calls, links, dialogues }: Rooms): void {
  metrics.gauge('mcpgw_parked_calls', 'Calls that wait for answers of their callers', () => [
    { value: dialogues.size },
  ]);
  metrics.gauge('mcpgw_sessions', 'Legacy sessions of clients', () => [{ value: sessions.size }]);
  metrics.gauge('mcpgw_streams', 'Open event streams to clients', () => [{ value: streams.size }]);
  metrics.gauge('mcpgw_calls_in_flight', 'Calls under way', () => [{ value: calls.running }]);
  metrics.gauge('mcpgw_upstream_sessions', 'Legacy sessions held to servers', () => [
    { value: links.sessionCount() },
  ]);
}

/** Writes the last known state soon after a change, never twice at once; a full disk is said, and the gateway goes on. */
class Writer {
  readonly #ports: GatewayPorts;
  readonly #known: () => Parameters<typeof writeLastKnown>[1];
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(ports: GatewayPorts, known: () => Parameters<typeof writeLastKnown>[1]) {
    this.#ports = ports;
    this.#known = known;
  }

  soon(): void {
    if (this.#closed) return;
    this.#timer ??= this.#ports.clock.after(writeEveryMs, () => {
      this.#timer = undefined;
      this.#write();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) {
      this.#timer.cancel();
      this.#timer = undefined;
      this.#write();
    }
    await this.#writing;
  }

  #write(): void {
    const { stateFile, telemetry } = this.#ports;
    this.#writing = this.#writing
      .then(() => writeLastKnown(stateFile, this.#known()))
      .catch((error: unknown) => telemetry.log.error('the last known state cannot be written', { error }));
  }
}
