/** Turns the registry's rows into what a gateway routes by: only what can be reached, always in the same order. */

import type { ServerKey, TenantId } from '../model/ids.ts';
import { defaultTenant, serverKey } from '../model/ids.ts';
import type { InstanceRecord, ServerRecord } from '../model/server.ts';
import { balanceStrategies } from '../model/snapshot.ts';
import type { BalanceStrategy, Instance, Server } from '../model/snapshot.ts';

export interface CatalogRows {
  readonly servers: readonly ServerRecord[];
  readonly instances: readonly InstanceRecord[];
}

/** Gateways of the default tenant serve every tenant; others serve their own only. */
export const isSeenBy = (gatewayTenant: TenantId, rowTenant: TenantId): boolean =>
  gatewayTenant === defaultTenant || gatewayTenant === rowTenant;

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** A stdio server runs in somebody else's process: it is known, but nobody can be sent there. */
export const isReachable = (row: InstanceRecord): row is InstanceRecord & { readonly endpoint: string } =>
  row.transport !== 'stdio' &&
  row.endpoint !== undefined &&
  row.endpoint !== '' &&
  row.healthStatus !== 'expired';

const isServed = (row: ServerRecord): boolean => row.status === 'active' || row.status === 'pending';

function instanceOf(row: InstanceRecord & { readonly endpoint: string }): Instance {
  return {
    instanceId: row.instanceId,
    transport: row.transport,
    endpoint: row.endpoint,
    weight: row.weight,
    tags: row.tags,
    health: row.healthStatus,
    ...(row.heartbeatIntervalMs === undefined ? {} : { heartbeatIntervalMs: row.heartbeatIntervalMs }),
  };
}

/**
 * `load_balancer` (or `strategy`) in an instance's metadata, in any case; the first instance that names a
 * known one counts.
 */
function strategyOf(instances: readonly InstanceRecord[]): BalanceStrategy {
  for (const { metadata } of instances) {
    const said = metadata['load_balancer'] ?? metadata['strategy'];
    const found =
      typeof said === 'string' && balanceStrategies.find((strategy) => strategy === said.toLowerCase());
    if (found) return found;
  }
  return 'round_robin';
}

/** Changes whenever any instance's hash does; during a rollout it names both. */
function hashOf(instances: readonly InstanceRecord[]): string | undefined {
  const hashes = new Set(instances.flatMap((row) => row.capabilitiesHash ?? []));
  return hashes.size === 0 ? undefined : [...hashes].sort().join('+');
}

function serverOf(
  row: ServerRecord,
  reachable: readonly (InstanceRecord & { readonly endpoint: string })[],
): Server {
  const capabilitiesHash = hashOf(reachable);
  return {
    tenantId: row.tenantId,
    name: row.name,
    ...(row.version === undefined ? {} : { version: row.version }),
    ...(capabilitiesHash === undefined ? {} : { capabilitiesHash }),
    strategy: strategyOf(reachable),
    ...(row.credential === undefined ? {} : { credential: row.credential }),
    instances: reachable.map(instanceOf),
    tools: row.tools ?? [],
  };
}

/**
 * Servers that are active or pending and have at least one reachable instance, ordered by tenant and name, their instances
 * by id. Rows may come in any order. Nothing here depends on when a row was last seen: heartbeats change no snapshot.
 */
export function compileServers(rows: CatalogRows, gatewayTenant: TenantId): readonly Server[] {
  const reachable = new Map<ServerKey, (InstanceRecord & { readonly endpoint: string })[]>();
  for (const row of rows.instances) {
    if (!isReachable(row)) continue;
    const key = serverKey(row.tenantId, row.serverName);
    const known = reachable.get(key);
    if (known) known.push(row);
    else reachable.set(key, [row]);
  }
  const servers: Server[] = [];
  for (const row of rows.servers) {
    const instances = reachable.get(serverKey(row.tenantId, row.name));
    if (!instances || !isServed(row) || !isSeenBy(gatewayTenant, row.tenantId)) continue;
    servers.push(
      serverOf(
        row,
        instances.sort((a, b) => byText(a.instanceId, b.instanceId)),
      ),
    );
  }
  return servers.sort((a, b) => byText(a.tenantId, b.tenantId) || byText(a.name, b.name));
}
