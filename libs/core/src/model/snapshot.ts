/** What the control plane hands the data plane: immutable, versioned, whole. A call reads it once and keeps it. */

import type { CredentialUse } from '../credentials/reference.ts';
import type { GatewayId, InstanceId, ServerKey, ServerName, TenantId } from './ids.ts';
import type { JsonObject } from './json.ts';
import type { PolicyProfile } from './policy.ts';
import type { HealthStatus, Transport } from './server.ts';
import type { VirtualServer } from './virtual-server.ts';

export interface Instance {
  readonly instanceId: InstanceId;
  readonly transport: Transport;
  readonly endpoint: string;
  readonly weight: number;
  readonly tags: readonly string[];
  readonly health: HealthStatus;
  /** Absent: no heartbeats are promised. */
  readonly heartbeatIntervalMs?: number;
}

export type BalanceStrategy =
  'round_robin' | 'least_connections' | 'weighted' | 'random' | 'ip_hash' | 'consistent_hash';
export const balanceStrategies: readonly BalanceStrategy[] = [
  'round_robin',
  'least_connections',
  'weighted',
  'random',
  'ip_hash',
  'consistent_hash',
];

/** A server as the gateway routes to it. */
export interface Server {
  readonly tenantId: TenantId;
  readonly name: ServerName;
  readonly version?: string;
  readonly capabilitiesHash?: string;
  readonly strategy: BalanceStrategy;
  /** What the gateway shows it, by reference; absent: nothing. */
  readonly credential?: CredentialUse;
  readonly instances: readonly Instance[];
  /** Announced definitions: what is listed until the gateway has asked the server itself. */
  readonly tools: readonly JsonObject[];
}

export type Scope = 'mcp' | 'admin';

/** A key is known by its SHA-256 only. */
export interface ApiKey {
  readonly keyId: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly tenantId: TenantId;
  readonly principal: string;
  readonly scopes: readonly Scope[];
  readonly profile: string;
}

export type AuthMode = 'apikey' | 'jwt' | 'none';

export interface Snapshot {
  readonly gatewayId: GatewayId;
  /** Revision of each part, non-decreasing. */
  readonly versions: { readonly servers: number; readonly policy: number; readonly auth: number };
  readonly servers: ReadonlyMap<ServerKey, Server>;
  /** By `serverKey(tenant, name)`, in a space of names of their own: `/virtual/<name>/mcp`. */
  readonly virtuals: ReadonlyMap<ServerKey, VirtualServer>;
  readonly profiles: ReadonlyMap<string, PolicyProfile>;
  /** By SHA-256 of the key. */
  readonly apiKeys: ReadonlyMap<string, ApiKey>;
}
