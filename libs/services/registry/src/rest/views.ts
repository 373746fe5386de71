/** Records as REST shows them: snake case, RFC 3339 times, and never a server's environment. */

import { credentialWire } from '@cruvero/contracts';
import type { InstanceView, MeshState, ServerView } from '@cruvero/contracts';
import type { HealthStatus, InstanceRecord, ServerRecord } from '@cruvero/core';

const time = (ms: number): string => new Date(ms).toISOString();

export const instanceView = (row: InstanceRecord): InstanceView => ({
  instance_id: row.instanceId,
  transport: row.transport,
  ...(row.endpoint === undefined ? {} : { endpoint: row.endpoint }),
  weight: row.weight,
  tags: [...row.tags],
  metadata: row.metadata as InstanceView['metadata'],
  ...(row.version === undefined ? {} : { version: row.version }),
  ...(row.capabilitiesHash === undefined ? {} : { capabilities_hash: row.capabilitiesHash }),
  ...(row.heartbeatIntervalMs === undefined ? {} : { heartbeat_interval_ms: row.heartbeatIntervalMs }),
  health_status: row.healthStatus,
  ...(row.healthReason === undefined ? {} : { health_reason: row.healthReason }),
  ...(row.lastHealthyMs === undefined ? {} : { last_healthy: time(row.lastHealthyMs) }),
  last_seen: time(row.lastSeenMs),
  created_at: time(row.createdAtMs),
  updated_at: time(row.updatedAtMs),
});

/** `withTools` for one server; a list of hundreds would be megabytes. */
export const serverView = (
  row: ServerRecord,
  instances: readonly InstanceRecord[],
  withTools: boolean,
): ServerView => ({
  id: row.id,
  tenant_id: row.tenantId,
  name: row.name,
  transport: row.transport,
  ...(row.endpoint === undefined ? {} : { endpoint: row.endpoint }),
  ...(row.command === undefined ? {} : { command: row.command }),
  ...(row.args === undefined ? {} : { args: [...row.args] }),
  ...(row.allowedEndpoints === undefined ? {} : { allowed_endpoints: [...row.allowedEndpoints] }),
  ...(row.credential === undefined ? {} : { credential: credentialWire(row.credential) }),
  debug: row.debug,
  source: row.source,
  status: row.status,
  tool_count: row.toolCount,
  ...(row.version === undefined ? {} : { version: row.version }),
  ...(row.capabilities === undefined
    ? {}
    : { capabilities: row.capabilities as NonNullable<ServerView['capabilities']> }),
  ...(withTools && row.tools !== undefined ? { tools: row.tools as NonNullable<ServerView['tools']> } : {}),
  health_status: row.healthStatus,
  ...(row.healthReason === undefined ? {} : { health_reason: row.healthReason }),
  ...(row.lastHealthyMs === undefined ? {} : { last_healthy: time(row.lastHealthyMs) }),
  ...(row.lastSeenMs === undefined ? {} : { last_seen: time(row.lastSeenMs) }),
  created_at: time(row.createdAtMs),
  updated_at: time(row.updatedAtMs),
  instances: instances.map(instanceView),
});

/** The four states of the mesh interface. */
export const meshState: Readonly<Record<HealthStatus, MeshState>> = {
  healthy: 'HEALTHY',
  degraded: 'DEGRADED',
  unknown: 'UNKNOWN',
  unhealthy: 'UNHEALTHY',
  stale: 'UNHEALTHY',
  expired: 'UNHEALTHY',
};
