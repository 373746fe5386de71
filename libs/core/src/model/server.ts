/** A logical MCP server and its running instances, as the registry keeps them (requirements 96-115, appendix E 9-11). */

import type { CredentialUse } from '../credentials/reference.ts';
import type { InstanceId, ServerName, TenantId } from './ids.ts';
import type { JsonObject } from './json.ts';

/** `nats` announced on the bus, `file` from cruvero.json, `api` by REST; `env` and `database` as the sources name them. */
export type ServerSource = 'env' | 'database' | 'nats' | 'api' | 'file';
export const serverSources: readonly ServerSource[] = ['env', 'database', 'nats', 'api', 'file'];

/**
 * How a server is reached. `inproc` is a stdio child behind the bridge of the same process; it never comes from
 * outside. `stdio` is a server that somebody else runs: known, listed, but not reachable by a gateway.
 */
export type Transport = 'stdio' | 'http' | 'sse' | 'inproc';
export const transports: readonly Transport[] = ['stdio', 'http', 'sse', 'inproc'];

export type ServerStatus = 'pending' | 'active' | 'draining' | 'disabled' | 'deregistered';
export const serverStatuses: readonly ServerStatus[] = [
  'pending',
  'active',
  'draining',
  'disabled',
  'deregistered',
];

export type HealthStatus = 'healthy' | 'degraded' | 'unhealthy' | 'stale' | 'expired' | 'unknown';
export const healthStatuses: readonly HealthStatus[] = [
  'healthy',
  'degraded',
  'unhealthy',
  'stale',
  'expired',
  'unknown',
];

/** MCPServerRecord. Times are milliseconds since 1970. */
export interface ServerRecord {
  readonly id: string;
  readonly tenantId: TenantId;
  readonly name: ServerName;
  readonly transport: Transport;
  readonly endpoint?: string;
  readonly command?: string;
  readonly args?: readonly string[];
  /** Never leaves the registry: not on the bus, not in an API answer. */
  readonly envVars?: Readonly<Record<string, string>>;
  readonly allowedEndpoints?: readonly string[];
  /** By reference: which secret it wants, never the secret. */
  readonly credential?: CredentialUse;
  readonly debug: boolean;
  readonly source: ServerSource;
  readonly status: ServerStatus;
  readonly toolCount: number;
  readonly version?: string;
  readonly capabilities?: JsonObject;
  /** The tool definitions as they were announced, field for field. */
  readonly tools?: readonly JsonObject[];
  readonly healthStatus: HealthStatus;
  /** One sentence for a person: why the health is what it is. */
  readonly healthReason?: string;
  readonly lastHealthyMs?: number;
  readonly lastSeenMs?: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** One running copy of a server. */
export interface InstanceRecord {
  readonly tenantId: TenantId;
  readonly serverName: ServerName;
  readonly instanceId: InstanceId;
  readonly transport: Transport;
  readonly endpoint?: string;
  readonly weight: number;
  readonly tags: readonly string[];
  readonly metadata: JsonObject;
  readonly version?: string;
  readonly capabilitiesHash?: string;
  /** Absent: nobody promised heartbeats, only probes say how it is. */
  readonly heartbeatIntervalMs?: number;
  readonly healthStatus: HealthStatus;
  readonly healthReason?: string;
  readonly lastHealthyMs?: number;
  readonly lastSeenMs: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}
