/** The registry's truth: servers, instances, gateways, API keys, and the outbox that makes a row and its event one. */

import type {
  ApiKey,
  GatewayId,
  HealthStatus,
  InstanceId,
  InstanceRecord,
  Json,
  PolicyProfile,
  ServerName,
  ServerRecord,
  ServerSource,
  ServerStatus,
  TenantId,
  VirtualServer,
} from '@cruvero/core';

/** What an upsert gives; ids, counters and times are the store's. */
export type ServerDraft = Omit<ServerRecord, 'id' | 'createdAtMs' | 'updatedAtMs'>;
export type InstanceDraft = Omit<InstanceRecord, 'createdAtMs' | 'updatedAtMs'>;

/** Who wrote a virtual server down: an operator by REST, or the configuration file. */
export type VirtualSource = 'api' | 'file';
export interface VirtualDraft {
  readonly virtual: VirtualServer;
  readonly source: VirtualSource;
}
export interface VirtualRecord extends VirtualDraft {
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
}

/** A message that must be published because a row was committed with it. */
export interface OutboxRow {
  readonly id: number;
  readonly subject: string;
  readonly messageId: string;
  readonly body: Json;
}
export type OutboxDraft = Omit<OutboxRow, 'id'>;

export interface GatewayRecord {
  readonly gatewayId: GatewayId;
  readonly tenantId: TenantId;
  readonly lastSeenMs: number;
  readonly appliedVersions: Readonly<Record<string, number>>;
}

/**
 * Everything one committed change may touch. Two transactions that overlap are serialised by the store, so outbox rows
 * are in the order of the commits.
 */
export interface StoreTransaction {
  upsert(draft: ServerDraft): Promise<ServerRecord>;
  get(tenantId: TenantId, name: ServerName): Promise<ServerRecord | undefined>;
  updateHealth(tenantId: TenantId, name: ServerName, health: HealthStatus, reason?: string): Promise<boolean>;
  updateStatus(tenantId: TenantId, name: ServerName, status: ServerStatus): Promise<boolean>;
  /** Instances go with their server. False where there was none. */
  delete(tenantId: TenantId, name: ServerName): Promise<boolean>;

  upsertInstance(draft: InstanceDraft): Promise<InstanceRecord>;
  instances(tenantId: TenantId, name: ServerName): Promise<readonly InstanceRecord[]>;
  updateInstanceHealth(
    tenantId: TenantId,
    name: ServerName,
    id: InstanceId,
    health: HealthStatus,
    reason?: string,
  ): Promise<boolean>;
  /** Heartbeat: moves `lastSeenMs`, changes nothing that a gateway must know. */
  touchInstance(tenantId: TenantId, name: ServerName, id: InstanceId, seenMs: number): Promise<boolean>;
  deleteInstance(tenantId: TenantId, name: ServerName, id: InstanceId): Promise<boolean>;

  putVirtual(draft: VirtualDraft): Promise<VirtualRecord>;
  virtual(tenantId: TenantId, name: ServerName): Promise<VirtualRecord | undefined>;
  /** False where there was none. */
  deleteVirtual(tenantId: TenantId, name: ServerName): Promise<boolean>;

  putApiKey(key: ApiKey): Promise<void>;
  deleteApiKey(keyId: string): Promise<boolean>;
  putProfile(profile: PolicyProfile): Promise<void>;
  deleteProfile(name: string): Promise<boolean>;

  /** True the first time this event id is seen; remembers it. */
  firstSight(eventId: string): Promise<boolean>;
  enqueue(draft: OutboxDraft): Promise<void>;
  /** Next revision of what gateways are told; call it once in a transaction that changes anything they see. */
  bumpRevision(): Promise<number>;
  /** For a store that was set back to an earlier state: from here on its revisions are of another life. */
  renewIncarnation(): Promise<string>;
}

/**
 * MCPServerStore (requirements 116-122) and what stands around it. Reads see the last commit. A store that is away
 * rejects with StoreUnavailable.
 */
export interface ServerStore {
  get(tenantId: TenantId, name: ServerName): Promise<ServerRecord | undefined>;
  /** Ordered by name. */
  list(tenantId: TenantId): Promise<readonly ServerRecord[]>;
  listBySource(tenantId: TenantId, source: ServerSource): Promise<readonly ServerRecord[]>;
  instances(tenantId: TenantId, name: ServerName): Promise<readonly InstanceRecord[]>;

  /** For the snapshot: all tenants, with the revision that the rows belong to, in one consistent read. */
  everything(): Promise<{
    readonly revision: number;
    readonly incarnation: string;
    readonly servers: readonly ServerRecord[];
    readonly instances: readonly InstanceRecord[];
    readonly apiKeys: readonly ApiKey[];
    readonly profiles: readonly PolicyProfile[];
    readonly virtuals: readonly VirtualServer[];
  }>;

  virtual(tenantId: TenantId, name: ServerName): Promise<VirtualRecord | undefined>;
  /** Ordered by name. */
  virtuals(tenantId: TenantId): Promise<readonly VirtualRecord[]>;

  /** Ordered by key id. */
  apiKeys(): Promise<readonly ApiKey[]>;
  /** Ordered by name. */
  profiles(): Promise<readonly PolicyProfile[]>;
  /** Of the last commit; 0 before the first bump. */
  revision(): Promise<number>;
  /**
   * Names the life of this store, up to 64 characters: made with its tables, another one only after `renewIncarnation`.
   * Revisions of two incarnations cannot be compared.
   */
  incarnation(): Promise<string>;

  /** All or nothing; retried by the store on a serialisation failure, so `work` must not act outside it. */
  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T>;

  /** Oldest first. */
  outbox(rowsMax: number): Promise<readonly OutboxRow[]>;
  /** Takes published rows out. */
  settle(ids: readonly number[]): Promise<void>;
  /** Forgets event ids first seen before this moment (milliseconds since 1970); returns how many. */
  forgetSights(olderThanMs: number): Promise<number>;

  putGateway(record: GatewayRecord): Promise<void>;
  gateways(): Promise<readonly GatewayRecord[]>;

  /** Resolves if the store answers. */
  ping(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The store cannot be reached now; the same call may succeed later. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}
