/** Holds the one current snapshot. Swapping it is one assignment; calls keep the one they began with. */

import { credentialKey, type GatewayId, type HealthStatus, type Server, type Snapshot } from '@cruvero/core';
import type { ConfigScope } from '@cruvero/contracts';
import type { SpokenBy } from './incarnation.ts';
import { buildSnapshot, type Payloads } from './snapshot-state.ts';
import { diffVirtuals, readVirtuals, type Virtuals, type VirtualsChange } from './virtuals.ts';

export interface SnapshotChange {
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly added: readonly Server[];
  readonly removed: readonly Server[];
  /** Other instances, other definitions, another version. */
  readonly changed: readonly Server[];
  /** Definitions only: what a virtual server offers also changes with its members. */
  readonly virtuals: VirtualsChange;
}

export class SnapshotState {
  #payloads: Payloads;
  #verdicts = new Map<string, HealthStatus>();
  #snapshot: Snapshot;
  #virtuals: Virtuals;
  readonly #gatewayId: GatewayId;
  readonly #onChange: (change: SnapshotChange) => void;

  constructor(gatewayId: GatewayId, payloads: Payloads, onChange: (change: SnapshotChange) => void) {
    this.#gatewayId = gatewayId;
    this.#payloads = payloads;
    this.#snapshot = buildSnapshot(gatewayId, payloads, this.#verdicts);
    this.#virtuals = this.#snapshot.virtuals;
    this.#onChange = onChange;
  }

  current(): Snapshot {
    return this.#snapshot;
  }

  payloads(): Payloads {
    return this.#payloads;
  }

  /**
   * A payload older than the one that is applied is ignored; one of another incarnation has nothing to do with it, and is
   * applied whatever its version. True where it was applied.
   */
  apply(scope: ConfigScope, payload: Payloads[ConfigScope]): boolean {
    const applied = this.#payloads[scope];
    if (payload === undefined || !isNewer(payload, applied)) return false;
    this.#payloads = { ...this.#payloads, [scope]: payload };
    if (scope === 'servers') {
      this.#verdicts.clear();
      this.#virtuals = readVirtuals(this.#payloads.servers);
    }
    this.#rebuild();
    return true;
  }

  /** Lays a verdict over an instance until the control plane says more. */
  judge(key: string, health: HealthStatus): void {
    if (this.#verdicts.get(key) === health) return;
    this.#verdicts.set(key, health);
    if (this.#verdicts.size > verdictsMax) this.#verdicts.delete(this.#verdicts.keys().next().value ?? key);
    this.#rebuild();
  }

  #rebuild(): void {
    const before = this.#snapshot;
    this.#snapshot = buildSnapshot(this.#gatewayId, this.#payloads, this.#verdicts, this.#virtuals);
    this.#onChange(diffSnapshots(before, this.#snapshot));
  }
}

const verdictsMax = 10_000;

type Payload = NonNullable<Payloads[ConfigScope]>;

function isNewer(payload: Payload, applied: Payload | undefined): boolean {
  if (applied === undefined) return true;
  const { incarnation }: SpokenBy = payload;
  if (incarnation !== undefined && incarnation !== applied.incarnation) return true;
  return versionOf(payload) > versionOf(applied);
}

function versionOf(payload: Payload): number {
  return 'config_version' in payload ? Number(payload.config_version) : Number(payload['version']);
}

export function diffSnapshots(before: Snapshot, after: Snapshot): SnapshotChange {
  const added: Server[] = [];
  const changed: Server[] = [];
  for (const [key, server] of after.servers) {
    const old = before.servers.get(key);
    if (!old) added.push(server);
    else if (!sameServer(old, server)) changed.push(server);
  }
  const removed = [...before.servers].filter(([key]) => !after.servers.has(key)).map(([, server]) => server);
  const virtuals = diffVirtuals(before.virtuals, after.virtuals);
  return { before, after, added, removed, changed, virtuals };
}

/** Health alone is no change of what is offered. */
function sameServer(a: Server, b: Server): boolean {
  if (a.capabilitiesHash !== b.capabilitiesHash || a.version !== b.version) return false;
  if (shownTo(a) !== shownTo(b) || a.instances.length !== b.instances.length) return false;
  return a.instances.every((i, at) => {
    const other = b.instances[at];
    return (
      other !== undefined &&
      i.instanceId === other.instanceId &&
      i.endpoint === other.endpoint &&
      i.transport === other.transport
    );
  });
}

const shownTo = ({ credential }: Server): string | undefined => credential && credentialKey(credential);

/** The names of a tenant's servers, in order. */
export function serversOf(snapshot: Snapshot, tenantId: string): readonly Server[] {
  const servers: Server[] = [];
  for (const server of snapshot.servers.values()) if (server.tenantId === tenantId) servers.push(server);
  return servers.sort((a, b) => (a.name < b.name ? -1 : 1));
}
