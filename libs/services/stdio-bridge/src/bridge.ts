/** Stdio servers as Streamable HTTP servers: a supervised child for each instance, announced on the bus. */

import { randomBytes, randomUUID } from 'node:crypto';
import { defaultTenant, type InstanceId, type ServerName, type TenantId } from '@cruvero/core';
import type {
  Bus,
  Children,
  Clock,
  Credentials,
  HttpHandler,
  Listener,
  Listening,
  Random,
  ServersSource,
  Telemetry,
  Upstream,
  UpstreamFault,
} from '@cruvero/ports';
import { isLoopbackHost } from '@cruvero/chassis';
import { Announcer, type Pulse } from './announcer.ts';
import { defaultBridgeBounds, type BridgeBounds } from './bounds.ts';
import { credentialedSource } from './credentialed-source.ts';
import type { CommandServer } from './entry.ts';
import { exchangeWith } from './exchange.ts';
import { Fleet } from './fleet.ts';
import { httpFront } from './http-front.ts';
import { Instance } from './instance.ts';
import { bridgeMetrics, labelsOf, type BridgeCounters } from './metrics.ts';

export interface StdioBridgeConfig {
  /** Part of every instance id: two bridges on one bus need different ones, and the same one again after a restart. */
  readonly bridgeId: string;
  /** Undefined: whoever reads the announcements takes its own. */
  readonly tenantId?: TenantId;
  readonly subjectPrefix: string;
  readonly heartbeatIntervalMs: number;
  /** For the HTTP front; callers in the same process say their own. */
  readonly requestTimeoutMs: number;
  readonly bodyBytesMax: number;
  /** How others reach the listener, where that is not the address it is bound to. */
  readonly publicUrl?: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly bounds?: Partial<BridgeBounds>;
}

export interface StdioBridgeParts {
  readonly children: Children;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly source: ServersSource;
  /** Without it commands that want a secret are left out. */
  readonly credentials?: Pick<Credentials, 'lease' | 'keep' | 'onChange'>;
  /** Without it nothing is announced. */
  readonly bus?: Bus;
  /** With it instances are reached, and announced, over HTTP; without it by `inproc://` endpoints of `upstream`. */
  readonly listener?: Listener;
  /** The result for a request of a child, as JSON; undefined refuses it. */
  readonly onChildRequest?: (server: ServerName, method: string, text: string) => string | undefined;
}

export interface InstanceLine {
  readonly name: ServerName;
  readonly instance: InstanceId;
  readonly state: Instance['state'];
  /** Why it is down, where it is. */
  readonly reason: string | undefined;
  readonly era: Instance['era'];
  readonly pid: number | undefined;
  readonly restarts: number;
}

export interface StdioBridge {
  /** Serves `inproc://<server>/<instance>`. Lives as long as the bridge; disposing of it does nothing. */
  readonly upstream: Upstream;
  /** Of the HTTP front, where there is one. */
  readonly url: string | undefined;
  listing(): readonly InstanceLine[];
  /** Resolves when every configured child was discovered, or has failed once. */
  ready(): Promise<void>;
  /** Deregisters, drains and stops everything. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Resolves when the source is read and its children are started; `ready` tells when they answer. */
export async function startStdioBridge(
  config: StdioBridgeConfig,
  parts: StdioBridgeParts,
): Promise<StdioBridge> {
  const bridge = new Bridge(config, parts);
  await bridge.start();
  return bridge;
}

const endpointPattern = /^inproc:\/\/([^/]+)\/([^/]+)$/;

class Bridge implements StdioBridge {
  readonly upstream: Upstream;
  readonly #config: StdioBridgeConfig;
  readonly #parts: StdioBridgeParts;
  readonly #bounds: BridgeBounds;
  readonly #fleet: Fleet;
  readonly #source: ServersSource & Disposable;
  readonly #counters: BridgeCounters;
  readonly #announcers = new Map<Instance, Announcer>();
  /** Its last word was said, or will never be: it is not announced again, whatever its child still does. */
  readonly #retired = new WeakSet<Instance>();
  #listening: Listening | undefined;
  #watching: { close(): void } | undefined;
  #stopped: Promise<void> | undefined;

  constructor(config: StdioBridgeConfig, parts: StdioBridgeParts) {
    this.#config = config;
    this.#parts = parts;
    this.#bounds = { ...defaultBridgeBounds, ...config.bounds };
    this.#fleet = new Fleet({
      bridgeId: config.bridgeId,
      log: parts.telemetry.log,
      start: (entry, id) => this.#start(entry, id),
      retire: (instance, reason, handover) => this.#retire(instance, reason, handover),
    });
    const { source, credentials } = parts;
    this.#source = credentialedSource({ source, credentials, tenantId: config.tenantId ?? defaultTenant });
    this.#counters = bridgeMetrics(parts.telemetry.metrics, () => this.#fleet.instances());
    this.upstream = {
      exchange: (request) => this.#exchange(request),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  get url(): string | undefined {
    return this.#listening && (this.#config.publicUrl ?? this.#listening.url).replace(/\/+$/, '');
  }

  async start(): Promise<void> {
    const { listener } = this.#parts;
    // Bound before anything is announced: the endpoint needs the port.
    if (listener) this.#listening = await listener.listen(this.#front());
    let hasNews = false;
    this.#watching = this.#source.watch((read) => {
      hasNews = true;
      this.#fleet.apply(read);
    });
    const first = await this.#source.read();
    if (!hasNews) this.#fleet.apply(first);
  }

  #front(): HttpHandler {
    return httpFront({
      upstream: this.upstream,
      clock: this.#parts.clock,
      allowedHosts: [...this.#config.allowedHosts, ...this.#ownHosts()],
      allowedOrigins: this.#config.allowedOrigins,
      loopback: () => isLoopbackHost(this.#listening?.host ?? ''),
      bodyBytesMax: this.#config.bodyBytesMax,
      answerBytesMax: this.#bounds.lineBytesMax,
      requestTimeoutMs: this.#config.requestTimeoutMs,
      streamAgeMs: this.#bounds.streamAgeMs,
    });
  }

  #ownHosts(): readonly string[] {
    const { publicUrl } = this.#config;
    return publicUrl === undefined ? [] : [new URL(publicUrl).host];
  }

  #start(entry: CommandServer, id: InstanceId): Instance {
    const { children, clock, random, telemetry, onChildRequest } = this.#parts;
    const log = telemetry.log.with({ server: entry.name, instance: id });
    return new Instance(entry, id, {
      children,
      clock,
      random,
      log,
      bounds: this.#bounds,
      newSessionId: () => randomBytes(16).toString('hex'),
      ...(onChildRequest ? { onChildRequest } : {}),
      onListed: (instance, listing) => {
        log.info('child answers', { era: instance.era, tools: listing.tools.length, pid: instance.pid });
        this.#announcer(instance)?.announce(listing);
      },
      onDeath: (instance) => this.#counters.restarts.add(1, labelsOf(instance)),
      ownChildren: this.#counters.ownChildren({ server: entry.name, instance: id }),
    });
  }

  #announcer(instance: Instance): Announcer | undefined {
    const { bus, clock, telemetry } = this.#parts;
    if (!bus || this.#retired.has(instance)) return undefined;
    const known = this.#announcers.get(instance);
    if (known) return known;
    const { server, id, entry } = instance;
    const { subjectPrefix, tenantId, heartbeatIntervalMs } = this.#config;
    const { url } = this;
    const announcer = new Announcer(
      {
        server,
        instanceId: id,
        transport: url === undefined ? 'inproc' : 'http',
        endpoint: url === undefined ? `inproc://${server}/${id}` : `${url}/servers/${server}/${id}/mcp`,
        source: entry.origin ?? 'nats',
      },
      {
        bus,
        clock,
        log: telemetry.log.with({ server, instance: id }),
        newEventId: randomUUID,
        subjectPrefix,
        tenantId,
        heartbeatIntervalMs,
        deregisterMs: this.#bounds.deregisterMs,
        pulse: () => pulseOf(instance),
      },
    );
    this.#announcers.set(instance, announcer);
    return announcer;
  }

  /** Off the books first, so that no new call comes while the old ones end. */
  async #retire(instance: Instance, reason: string, handover: boolean): Promise<void> {
    const announcer = this.#announcers.get(instance);
    this.#retired.add(instance);
    this.#announcers.delete(instance);
    await announcer?.deregister(reason);
    if (announcer && handover) await this.#handover();
    await instance.stop();
    this.#parts.telemetry.log.info('child stopped', { ...labelsOf(instance), reason });
  }

  /** Gateways hear of the successors within this time; until then they may still send calls to the old ones. */
  #handover(): Promise<void> {
    return new Promise((resolve) => void this.#parts.clock.after(this.#bounds.handoverMs, resolve));
  }

  #exchange(request: Parameters<Upstream['exchange']>[0]): ReturnType<Upstream['exchange']> {
    const [, server, id] = endpointPattern.exec(request.endpoint) ?? [];
    const instance = server === undefined || id === undefined ? undefined : this.#fleet.find(server, id);
    if (!instance) {
      const fault: UpstreamFault = {
        fault: 'unreachable',
        detail: 'this bridge runs no such instance',
        neverLeft: true,
      };
      return Promise.resolve(fault);
    }
    return exchangeWith(instance, request, {
      clock: this.#parts.clock,
      tracer: this.#parts.telemetry.tracer,
      bounds: this.#bounds,
      count: (outcome) => this.#counters.requests.add(1, { server: instance.server, outcome }),
    });
  }

  listing(): readonly InstanceLine[] {
    return this.#fleet.instances().map((one) => ({
      name: one.server,
      instance: one.id,
      state: one.state,
      reason: one.reason,
      era: one.era,
      pid: one.pid,
      restarts: one.restarts,
    }));
  }

  ready(): Promise<void> {
    return this.#fleet.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  async #stop(): Promise<void> {
    this.#watching?.close();
    this.#source[Symbol.dispose]();
    await this.#fleet.stop();
    await this.#listening?.close(1_000);
  }
}

/** A child that comes back soon is degraded; one that has failed says nothing, and so becomes stale. */
function pulseOf(instance: Instance): Pulse | undefined {
  const { state } = instance;
  if (state === 'failed' || state === 'stopped') return undefined;
  const usage = instance.usage();
  return {
    status: state === 'running' ? 'ok' : state === 'draining' ? 'draining' : 'degraded',
    inFlight: instance.pending,
    memoryMb: usage && Math.round(usage.rssBytes / (1 << 20)),
  };
}
