/** The instances that are watched, and what is known of each: a table that events and listings change. */

import type { AnnounceEvent, ServersPayload } from '@cruvero/contracts';
import {
  beginWatch,
  judge,
  readInstanceId,
  readServerName,
  readTenantId,
  serverKey,
  stepWatch,
  type Evidence,
  type HealthPolicy,
  type InstanceId,
  type InstanceWatch,
  type ServerKey,
  type ServerName,
  type TenantId,
  type Transport,
  type Verdict,
} from '@cruvero/core';

/** Whose instance it is. */
export interface InstanceName {
  readonly tenantId: TenantId;
  readonly server: ServerName;
  readonly instanceId: InstanceId;
}

/** Where it can be asked; undefined for an endpoint that nobody told. */
export interface Reach {
  readonly transport: Transport;
  readonly endpoint: string | undefined;
  /** It wants a credential, which probes do not have. */
  readonly guarded: boolean;
}

export interface Watched extends InstanceName, Reach {
  readonly key: string;
  readonly watch: InstanceWatch;
  /** When it last announced itself, on this side's clock; undefined where it is known from a listing only. */
  readonly announcedMs: number | undefined;
}

/** What the table says to whoever acts on it. */
export interface FleetEvents {
  /** New here, or to be reached in another way than before. */
  reach(watched: Watched): void;
  /** There is evidence that may change its verdict. */
  evidence(watched: Watched): void;
  /** The registry believes this of it. */
  believed(watched: Watched, health: string): void;
  gone(watched: Watched): void;
  full(name: InstanceName): void;
}

export interface FleetOptions {
  readonly policy: HealthPolicy;
  /** Tenant of events that name none. */
  readonly tenantId: TenantId;
  readonly instancesMax: number;
  /** An announcement this young may be newer than a listing that lacks it. */
  readonly announcementAgeMs: number;
}

export function instanceKey(name: InstanceName): string {
  return `${serverKey(name.tenantId, name.server)}/${name.instanceId}`;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #events: FleetEvents;
  readonly #watched = new Map<string, Watched>();

  constructor(options: FleetOptions, events: FleetEvents) {
    this.#options = options;
    this.#events = events;
  }

  all(): Iterable<Watched> {
    return this.#watched.values();
  }

  find(key: string): Watched | undefined {
    return this.#watched.get(key);
  }

  verdict(watched: Watched, nowMs: number): Verdict {
    return judge(watched.watch, nowMs, this.#options.policy);
  }

  /**
   * Everything that gateways are sent to. What is not there is gone, unless it announced itself only just now, or is a stdio
   * server, which is never listed: that one is watched until it expires.
   */
  listed(payload: ServersPayload, nowMs: number): void {
    const kept = new Set<string>();
    for (const server of payload.servers) {
      for (const instance of server.instances) {
        const name = this.name(server.tenant_id, server.name, instance.instance_id);
        if (!name) continue;
        kept.add(instanceKey(name));
        const evidence: Evidence = { kind: 'listed', intervalMs: instance.heartbeat_interval_ms };
        const watched = this.#put(
          name,
          {
            transport: instance.transport,
            endpoint: instance.endpoint,
            guarded: server.credential !== undefined,
          },
          evidence,
          nowMs,
        );
        if (watched) this.#events.believed(watched, instance.health);
      }
    }
    for (const watched of this.#watched.values()) {
      const young =
        watched.announcedMs !== undefined && nowMs - watched.announcedMs < this.#options.announcementAgeMs;
      const unlisted = watched.transport === 'stdio' && this.verdict(watched, nowMs).status !== 'expired';
      if (!kept.has(watched.key) && !young && !unlisted) this.#drop(watched);
    }
  }

  announced(name: InstanceName, payload: AnnounceEvent['payload'], nowMs: number): void {
    const evidence: Evidence = { kind: 'announced', intervalMs: payload.heartbeat_interval_ms };
    const guarded = this.#watched.get(instanceKey(name))?.guarded ?? false;
    this.#put(name, { transport: payload.transport, endpoint: payload.endpoint, guarded }, evidence, nowMs);
  }

  /** Evidence on an instance that is known; false where it is not. */
  step(name: InstanceName, evidence: Evidence, nowMs: number): boolean {
    const watched = this.#watched.get(instanceKey(name));
    if (!watched) return false;
    this.#change({ ...watched, watch: stepWatch(watched.watch, evidence, nowMs, this.#options.policy) });
    return true;
  }

  deregistered(tenantId: TenantId, server: ServerName, instanceId: InstanceId | undefined): void {
    for (const watched of this.#watched.values()) {
      if (watched.tenantId !== tenantId || watched.server !== server) continue;
      if (instanceId === undefined || watched.instanceId === instanceId) this.#drop(watched);
    }
  }

  /** This side heard nothing from `deafSinceMs` until now: nobody is to blame for the silence. */
  resumed(deafSinceMs: number, nowMs: number): void {
    for (const watched of this.#watched.values()) this.step(watched, { kind: 'resumed', deafSinceMs }, nowMs);
  }

  /** The parts as a name; undefined where one is not valid. */
  name(tenantId: string | undefined, server: string, instanceId: string): InstanceName | undefined {
    const tenant = tenantId === undefined ? this.#options.tenantId : readTenantId(tenantId);
    const [serverName, instance] = [readServerName(server), readInstanceId(instanceId)];
    return tenant && serverName && instance
      ? { tenantId: tenant, server: serverName, instanceId: instance }
      : undefined;
  }

  #put(name: InstanceName, reach: Reach, evidence: Evidence, nowMs: number): Watched | undefined {
    const key = instanceKey(name);
    const before = this.#watched.get(key);
    if (!before && this.#watched.size >= this.#options.instancesMax) {
      this.#events.full(name);
      return undefined;
    }
    const watch = stepWatch(before?.watch ?? beginWatch(nowMs), evidence, nowMs, this.#options.policy);
    const announcedMs = evidence.kind === 'announced' ? nowMs : before?.announcedMs;
    const moved =
      before?.transport !== reach.transport ||
      before.endpoint !== reach.endpoint ||
      before.guarded !== reach.guarded;
    const watched: Watched = { ...name, ...reach, key, watch, announcedMs };
    this.#change(watched);
    if (moved) this.#events.reach(watched);
    return watched;
  }

  #change(watched: Watched): void {
    this.#watched.set(watched.key, watched);
    this.#events.evidence(watched);
  }

  #drop(watched: Watched): void {
    this.#watched.delete(watched.key);
    this.#events.gone(watched);
  }
}

/** `tenant/server` of an instance, for logs. */
export function ownerOf(name: InstanceName): ServerKey {
  return serverKey(name.tenantId, name.server);
}
