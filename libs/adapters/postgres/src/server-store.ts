/** The ServerStore port over any SqlRunner: the same SQL on PostgreSQL 15 and on the embedded PGlite. */

import type {
  ApiKey,
  InstanceRecord,
  Json,
  PolicyProfile,
  ServerName,
  ServerRecord,
  ServerSource,
  TenantId,
} from '@cruvero/core';
import type {
  Clock,
  GatewayRecord,
  OutboxRow,
  ServerStore,
  StoreTransaction,
  VirtualRecord,
} from '@cruvero/ports';
import { migrateUp } from './migrate.ts';
import {
  apiKeyColumns,
  gatewayColumns,
  instanceColumns,
  json,
  profileColumns,
  serverColumns,
  timeAt,
  toApiKey,
  toGateway,
  toInstance,
  toProfile,
  toServer,
  toVirtual,
  virtualColumns,
} from './rows.ts';
import type { SqlRunner, SqlSession } from './sql-runner.ts';
import { getText, instancesText, lockText, SqlTransaction, virtualText } from './store-transaction.ts';

export interface ServerStoreModules {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** False where somebody else runs the migrations; default true. */
  readonly migrate?: boolean;
}

const revisionText = 'SELECT revision::float8 AS revision FROM mcp_registry_revision';
const incarnationText = 'SELECT incarnation::text AS incarnation FROM mcp_registry_revision';
const allVirtualsText = `SELECT ${virtualColumns} FROM mcp_virtual_servers
  ORDER BY tenant_id COLLATE "C", name COLLATE "C"`;
const virtualsText = `SELECT ${virtualColumns} FROM mcp_virtual_servers WHERE tenant_id = $1 ORDER BY name COLLATE "C"`;
const apiKeysText = `SELECT ${apiKeyColumns} FROM mcp_api_keys ORDER BY key_id COLLATE "C"`;
const profilesText = `SELECT ${profileColumns} FROM mcp_policy_profiles ORDER BY name COLLATE "C"`;
const allServersText = `SELECT ${serverColumns} FROM mcp_servers ORDER BY tenant_id COLLATE "C", name COLLATE "C"`;
const allInstancesText = `SELECT ${instanceColumns} FROM mcp_server_instances
  ORDER BY tenant_id COLLATE "C", server_name COLLATE "C", instance_id COLLATE "C"`;
const listText = `SELECT ${serverColumns} FROM mcp_servers WHERE tenant_id = $1 ORDER BY name COLLATE "C"`;
const listBySourceText = `SELECT ${serverColumns} FROM mcp_servers
  WHERE tenant_id = $1 AND source = $2 ORDER BY name COLLATE "C"`;
const outboxText = `SELECT id::float8 AS id, subject, message_id, body::text AS body
  FROM mcp_registry_outbox ORDER BY id LIMIT $1::int`;
const settleText = `DELETE FROM mcp_registry_outbox
  WHERE id IN (SELECT value::bigint FROM json_array_elements_text($1::json))`;
const putGatewayText = `INSERT INTO mcp_gateways (gateway_id, tenant_id, applied_versions, last_seen)
  VALUES ($1, $2, $3, ${timeAt(4)})
  ON CONFLICT (gateway_id) DO UPDATE SET (tenant_id, applied_versions, last_seen)
    = (excluded.tenant_id, excluded.applied_versions, excluded.last_seen)`;

async function revisionOf(session: SqlSession): Promise<number> {
  return Number((await session.query(revisionText))[0]?.['revision'] ?? 0);
}
async function incarnationOf(session: SqlSession): Promise<string> {
  return String((await session.query(incarnationText))[0]?.['incarnation'] ?? '');
}
const apiKeysOf = async (session: SqlSession): Promise<readonly ApiKey[]> =>
  (await session.query(apiKeysText)).map(toApiKey);
const profilesOf = async (session: SqlSession): Promise<readonly PolicyProfile[]> =>
  (await session.query(profilesText)).map(toProfile);

class SqlServerStore implements ServerStore {
  readonly #runner: SqlRunner;
  readonly #clock: Pick<Clock, 'nowMs'>;

  constructor(runner: SqlRunner, clock: Pick<Clock, 'nowMs'>) {
    this.#runner = runner;
    this.#clock = clock;
  }

  async get(tenantId: TenantId, name: ServerName): Promise<ServerRecord | undefined> {
    const row = (await this.#runner.query(getText, [tenantId, name]))[0];
    return row && toServer(row);
  }

  async list(tenantId: TenantId): Promise<readonly ServerRecord[]> {
    return (await this.#runner.query(listText, [tenantId])).map(toServer);
  }

  async listBySource(tenantId: TenantId, source: ServerSource): Promise<readonly ServerRecord[]> {
    return (await this.#runner.query(listBySourceText, [tenantId, source])).map(toServer);
  }

  async instances(tenantId: TenantId, name: ServerName): Promise<readonly InstanceRecord[]> {
    return (await this.#runner.query(instancesText, [tenantId, name])).map(toInstance);
  }

  everything() {
    return this.#runner.transaction('snapshot', async (session) => ({
      revision: await revisionOf(session),
      incarnation: await incarnationOf(session),
      servers: (await session.query(allServersText)).map(toServer),
      instances: (await session.query(allInstancesText)).map(toInstance),
      apiKeys: await apiKeysOf(session),
      profiles: await profilesOf(session),
      virtuals: (await session.query(allVirtualsText)).map((row) => toVirtual(row).virtual),
    }));
  }

  async virtual(tenantId: TenantId, name: ServerName): Promise<VirtualRecord | undefined> {
    const row = (await this.#runner.query(virtualText, [tenantId, name]))[0];
    return row && toVirtual(row);
  }

  async virtuals(tenantId: TenantId): Promise<readonly VirtualRecord[]> {
    return (await this.#runner.query(virtualsText, [tenantId])).map(toVirtual);
  }

  apiKeys(): Promise<readonly ApiKey[]> {
    return apiKeysOf(this.#runner);
  }

  profiles(): Promise<readonly PolicyProfile[]> {
    return profilesOf(this.#runner);
  }

  revision(): Promise<number> {
    return revisionOf(this.#runner);
  }

  incarnation(): Promise<string> {
    return incarnationOf(this.#runner);
  }

  transaction<T>(work: (tx: StoreTransaction) => Promise<T>): Promise<T> {
    return this.#runner.transaction('write', async (session) => {
      await session.query(lockText);
      return work(new SqlTransaction(session, this.#clock.nowMs()));
    });
  }

  async outbox(rowsMax: number): Promise<readonly OutboxRow[]> {
    const rows = await this.#runner.query(outboxText, [rowsMax]);
    return rows.map((row) => ({
      id: Number(row['id']),
      subject: String(row['subject']),
      messageId: String(row['message_id']),
      // Read here, because a driver hands out a JSON string that stands alone in its own way.
      body: JSON.parse(String(row['body'])) as Json,
    }));
  }

  async settle(ids: readonly number[]): Promise<void> {
    if (ids.length > 0) await this.#runner.query(settleText, [JSON.stringify(ids)]);
  }

  async forgetSights(olderThanMs: number): Promise<number> {
    const statement = `DELETE FROM mcp_registry_seen_events WHERE seen_at < ${timeAt(1)} RETURNING 1`;
    return (await this.#runner.query(statement, [olderThanMs])).length;
  }

  async putGateway(record: GatewayRecord): Promise<void> {
    const values = [record.gatewayId, record.tenantId, json(record.appliedVersions), record.lastSeenMs];
    await this.#runner.query(putGatewayText, values);
  }

  async gateways(): Promise<readonly GatewayRecord[]> {
    const statement = `SELECT ${gatewayColumns} FROM mcp_gateways ORDER BY gateway_id COLLATE "C"`;
    return (await this.#runner.query(statement)).map(toGateway);
  }

  async ping(): Promise<void> {
    await this.#runner.query('SELECT 1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runner[Symbol.asyncDispose]();
  }
}

/** Runs the migrations unless told not to, and gives the store, which then owns the runner and closes it. */
export async function openServerStore(runner: SqlRunner, modules: ServerStoreModules): Promise<ServerStore> {
  if (modules.migrate ?? true) await migrateUp(runner);
  return new SqlServerStore(runner, modules.clock);
}
