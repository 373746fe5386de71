/** The server store in memory: transactions work on a copy and replace the whole at commit; nothing outlives the process. */

import { randomUUID } from 'node:crypto';
import type {
  ApiKey,
  GatewayId,
  HealthStatus,
  InstanceId,
  InstanceRecord,
  PolicyProfile,
  ServerKey,
  ServerName,
  ServerRecord,
  TenantId,
} from '@cruvero/core';
import { serverKey } from '@cruvero/core';
import type {
  Clock,
  GatewayRecord,
  InstanceDraft,
  OutboxDraft,
  OutboxRow,
  ServerDraft,
  ServerStore,
  StoreTransaction,
  VirtualDraft,
  VirtualRecord,
} from '@cruvero/ports';

interface State {
  revision: number;
  incarnation: string;
  serverCount: number;
  outboxCount: number;
  readonly servers: Map<ServerKey, ServerRecord>;
  readonly instances: Map<string, InstanceRecord>;
  readonly apiKeys: Map<string, ApiKey>;
  readonly profiles: Map<string, PolicyProfile>;
  readonly virtuals: Map<ServerKey, VirtualRecord>;
  readonly sights: Map<string, number>;
  readonly outbox: Map<number, OutboxRow>;
  readonly gateways: Map<GatewayId, GatewayRecord>;
}

const empty = (): State => ({
  revision: 0,
  incarnation: randomUUID(),
  serverCount: 0,
  outboxCount: 0,
  servers: new Map(),
  instances: new Map(),
  apiKeys: new Map(),
  profiles: new Map(),
  virtuals: new Map(),
  sights: new Map(),
  outbox: new Map(),
  gateways: new Map(),
});

/** Rows are never changed in place, so copying the maps copies the state. */
const copyOf = (state: State): State => ({
  ...state,
  servers: new Map(state.servers),
  instances: new Map(state.instances),
  apiKeys: new Map(state.apiKeys),
  profiles: new Map(state.profiles),
  virtuals: new Map(state.virtuals),
  sights: new Map(state.sights),
  outbox: new Map(state.outbox),
  gateways: new Map(state.gateways),
});

const byCode = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byServer = (a: ServerRecord, b: ServerRecord): number =>
  byCode(a.tenantId, b.tenantId) || byCode(a.name, b.name);
const byVirtual = ({ virtual: a }: VirtualRecord, { virtual: b }: VirtualRecord): number =>
  byCode(a.tenantId, b.tenantId) || byCode(a.name, b.name);
const byInstance = (a: InstanceRecord, b: InstanceRecord): number =>
  byCode(a.tenantId, b.tenantId) || byCode(a.serverName, b.serverName) || byCode(a.instanceId, b.instanceId);

/** A copy as a database would give it: own objects, and no key whose value is undefined. */
function stored<T extends object>(row: T): T {
  const copy = structuredClone(row);
  for (const key of Object.keys(copy) as (keyof T)[]) if (copy[key] === undefined) delete copy[key];
  return copy;
}

const instanceKey = (tenantId: TenantId, name: ServerName, id: InstanceId): string =>
  `${serverKey(tenantId, name)}/${id}`;
const later = (a: number | undefined, b: number): number => Math.max(a ?? 0, b);

function withHealth<T extends ServerRecord | InstanceRecord>(
  row: T,
  health: HealthStatus,
  nowMs: number,
  reason?: string,
): T {
  const { healthReason: _gone, ...rest } = row;
  const seen = health === 'healthy' ? { lastHealthyMs: nowMs } : {};
  const said = reason === undefined ? {} : { healthReason: reason };
  return { ...rest, ...seen, ...said, healthStatus: health, updatedAtMs: nowMs } as T;
}

class MemoryTransaction implements StoreTransaction {
  readonly #state: State;
  readonly #nowMs: number;

  constructor(state: State, nowMs: number) {
    this.#state = state;
    this.#nowMs = nowMs;
  }

  async upsert(draft: ServerDraft): Promise<ServerRecord> {
    const key = serverKey(draft.tenantId, draft.name);
    const before = this.#state.servers.get(key);
    if (!before) this.#state.serverCount += 1;
    const id =
      before?.id ?? `00000000-0000-4000-8000-${this.#state.serverCount.toString(16).padStart(12, '0')}`;
    const createdAtMs = before?.createdAtMs ?? this.#nowMs;
    const row = stored({ ...draft, id, createdAtMs, updatedAtMs: this.#nowMs });
    this.#state.servers.set(key, row);
    return structuredClone(row);
  }

  async get(tenantId: TenantId, name: ServerName): Promise<ServerRecord | undefined> {
    return structuredClone(this.#state.servers.get(serverKey(tenantId, name)));
  }

  async updateHealth(
    tenantId: TenantId,
    name: ServerName,
    health: HealthStatus,
    reason?: string,
  ): Promise<boolean> {
    return this.#changeServer(tenantId, name, (row) => withHealth(row, health, this.#nowMs, reason));
  }

  async updateStatus(tenantId: TenantId, name: ServerName, status: ServerRecord['status']): Promise<boolean> {
    return this.#changeServer(tenantId, name, (row) => ({ ...row, status, updatedAtMs: this.#nowMs }));
  }

  #changeServer(tenantId: TenantId, name: ServerName, change: (row: ServerRecord) => ServerRecord): boolean {
    const key = serverKey(tenantId, name);
    const row = this.#state.servers.get(key);
    if (row) this.#state.servers.set(key, change(row));
    return row !== undefined;
  }

  async delete(tenantId: TenantId, name: ServerName): Promise<boolean> {
    for (const row of await this.instances(tenantId, name))
      await this.deleteInstance(tenantId, name, row.instanceId);
    return this.#state.servers.delete(serverKey(tenantId, name));
  }

  async upsertInstance(draft: InstanceDraft): Promise<InstanceRecord> {
    const { tenantId, serverName, instanceId } = draft;
    if (!this.#state.servers.has(serverKey(tenantId, serverName))) {
      throw new Error(`instance ${instanceId} has no server ${serverName} to belong to`);
    }
    const key = instanceKey(tenantId, serverName, instanceId);
    const createdAtMs = this.#state.instances.get(key)?.createdAtMs ?? this.#nowMs;
    const row = stored({ ...draft, createdAtMs, updatedAtMs: this.#nowMs });
    this.#state.instances.set(key, row);
    return structuredClone(row);
  }

  async instances(tenantId: TenantId, name: ServerName): Promise<readonly InstanceRecord[]> {
    return instancesOf(this.#state, tenantId, name);
  }

  #changeInstance(key: string, change: (row: InstanceRecord) => InstanceRecord): boolean {
    const row = this.#state.instances.get(key);
    if (row) this.#state.instances.set(key, change(row));
    return row !== undefined;
  }

  async updateInstanceHealth(
    tenantId: TenantId,
    name: ServerName,
    id: InstanceId,
    health: HealthStatus,
    reason?: string,
  ): Promise<boolean> {
    return this.#changeInstance(instanceKey(tenantId, name, id), (row) =>
      withHealth(row, health, this.#nowMs, reason),
    );
  }

  async touchInstance(
    tenantId: TenantId,
    name: ServerName,
    id: InstanceId,
    seenMs: number,
  ): Promise<boolean> {
    const touched = this.#changeInstance(instanceKey(tenantId, name, id), (row) => ({
      ...row,
      lastSeenMs: later(row.lastSeenMs, seenMs),
    }));
    if (touched) {
      this.#changeServer(tenantId, name, (row) => ({ ...row, lastSeenMs: later(row.lastSeenMs, seenMs) }));
    }
    return touched;
  }

  async deleteInstance(tenantId: TenantId, name: ServerName, id: InstanceId): Promise<boolean> {
    return this.#state.instances.delete(instanceKey(tenantId, name, id));
  }

  async putVirtual(draft: VirtualDraft): Promise<VirtualRecord> {
    const key = serverKey(draft.virtual.tenantId, draft.virtual.name);
    const createdAtMs = this.#state.virtuals.get(key)?.createdAtMs ?? this.#nowMs;
    const row = structuredClone({ ...draft, createdAtMs, updatedAtMs: this.#nowMs });
    this.#state.virtuals.set(key, row);
    return structuredClone(row);
  }

  async virtual(tenantId: TenantId, name: ServerName): Promise<VirtualRecord | undefined> {
    return structuredClone(this.#state.virtuals.get(serverKey(tenantId, name)));
  }

  async deleteVirtual(tenantId: TenantId, name: ServerName): Promise<boolean> {
    return this.#state.virtuals.delete(serverKey(tenantId, name));
  }

  async putApiKey(key: ApiKey): Promise<void> {
    for (const other of this.#state.apiKeys.values()) {
      if (other.sha256 === key.sha256 && other.keyId !== key.keyId)
        throw new Error('this key exists under another id');
    }
    this.#state.apiKeys.set(key.keyId, stored(key));
  }

  async deleteApiKey(keyId: string): Promise<boolean> {
    return this.#state.apiKeys.delete(keyId);
  }

  async putProfile(profile: PolicyProfile): Promise<void> {
    this.#state.profiles.set(profile.name, stored(profile));
  }

  async deleteProfile(name: string): Promise<boolean> {
    return this.#state.profiles.delete(name);
  }

  async firstSight(eventId: string): Promise<boolean> {
    if (this.#state.sights.has(eventId)) return false;
    this.#state.sights.set(eventId, this.#nowMs);
    return true;
  }

  async enqueue(draft: OutboxDraft): Promise<void> {
    const id = ++this.#state.outboxCount;
    this.#state.outbox.set(id, { ...structuredClone(draft), id });
  }

  async bumpRevision(): Promise<number> {
    this.#state.revision += 1;
    return this.#state.revision;
  }

  async renewIncarnation(): Promise<string> {
    this.#state.incarnation = randomUUID();
    return this.#state.incarnation;
  }
}

function instancesOf(state: State, tenantId: TenantId, name: ServerName): readonly InstanceRecord[] {
  const rows = [...state.instances.values()].filter(
    (row) => row.tenantId === tenantId && row.serverName === name,
  );
  return structuredClone(rows.sort(byInstance));
}

export class MemoryServerStore implements ServerStore {
  #state = empty();
  #tail: Promise<unknown> = Promise.resolve();
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor(modules: { readonly clock: Pick<Clock, 'nowMs'> }) {
    this.#clock = modules.clock;
  }

  async get(tenantId: TenantId, name: ServerName): Promise<ServerRecord | undefined> {
    return structuredClone(this.#state.servers.get(serverKey(tenantId, name)));
  }

  async list(tenantId: TenantId): Promise<readonly ServerRecord[]> {
    return this.#serversWhere((row) => row.tenantId === tenantId);
  }

  async listBySource(tenantId: TenantId, source: ServerRecord['source']): Promise<readonly ServerRecord[]> {
    return this.#serversWhere((row) => row.tenantId === tenantId && row.source === source);
  }

  #serversWhere(wanted: (row: ServerRecord) => boolean): readonly ServerRecord[] {
    return structuredClone([...this.#state.servers.values()].filter(wanted).sort(byServer));
  }

  async instances(tenantId: TenantId, name: ServerName): Promise<readonly InstanceRecord[]> {
    return instancesOf(this.#state, tenantId, name);
  }

  async everything() {
    const state = this.#state;
    return {
      revision: state.revision,
      incarnation: state.incarnation,
      servers: this.#serversWhere(() => true),
      instances: structuredClone([...state.instances.values()].sort(byInstance)),
      apiKeys: await this.apiKeys(),
      profiles: await this.profiles(),
      virtuals: this.#virtualsWhere(() => true).map(({ virtual }) => virtual),
    };
  }

  async virtual(tenantId: TenantId, name: ServerName): Promise<VirtualRecord | undefined> {
    return structuredClone(this.#state.virtuals.get(serverKey(tenantId, name)));
  }

  async virtuals(tenantId: TenantId): Promise<readonly VirtualRecord[]> {
    return this.#virtualsWhere(({ virtual }) => virtual.tenantId === tenantId);
  }

  #virtualsWhere(wanted: (row: VirtualRecord) => boolean): readonly VirtualRecord[] {
    return structuredClone([...this.#state.virtuals.values()].filter(wanted).sort(byVirtual));
  }

  async apiKeys(): Promise<readonly ApiKey[]> {
    return structuredClone([...this.#state.apiKeys.values()].sort((a, b) => byCode(a.keyId, b.keyId)));
  }

  async profiles(): Promise<readonly PolicyProfile[]> {
    return structuredClone([...this.#state.profiles.values()].sort((a, b) => byCode(a.name, b.name)));
  }

  async revision(): Promise<number> {
    return this.#state.revision;
  }

  async incarnation(): Promise<string> {
    return this.#state.incarnation;
  }

  /** One after the other: a change that waits is not lost, and none sees another's half. */
  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    const run = this.#tail.then(async () => {
      const draft = copyOf(this.#state);
      const result = await work(new MemoryTransaction(draft, this.#clock.nowMs()));
      this.#state = draft;
      return result;
    });
    this.#tail = run.catch(() => undefined);
    return run;
  }

  async outbox(rowsMax: number): Promise<readonly OutboxRow[]> {
    return structuredClone([...this.#state.outbox.values()].slice(0, rowsMax));
  }

  async settle(ids: readonly number[]): Promise<void> {
    await this.#change((state) => ids.forEach((id) => state.outbox.delete(id)));
  }

  async forgetSights(olderThanMs: number): Promise<number> {
    return this.#change((state) => {
      const old = [...state.sights].filter(([, seenMs]) => seenMs < olderThanMs);
      old.forEach(([eventId]) => state.sights.delete(eventId));
      return old.length;
    });
  }

  async putGateway(record: GatewayRecord): Promise<void> {
    await this.#change((state) => state.gateways.set(record.gatewayId, stored(record)));
  }

  /** Waits for the transaction that runs, whose commit would otherwise undo this change. */
  #change<T>(act: (state: State) => T): Promise<T> {
    const run = this.#tail.then(() => act(this.#state));
    this.#tail = run.catch(() => undefined);
    return run;
  }

  async gateways(): Promise<readonly GatewayRecord[]> {
    return structuredClone(
      [...this.#state.gateways.values()].sort((a, b) => byCode(a.gatewayId, b.gatewayId)),
    );
  }

  async ping(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tail;
  }
}
