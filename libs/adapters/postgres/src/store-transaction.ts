/** One committed change, in SQL. The revision row is locked first, so transactions follow each other. */

import type {
  ApiKey,
  HealthStatus,
  InstanceId,
  InstanceRecord,
  PolicyProfile,
  ServerName,
  ServerRecord,
  ServerStatus,
  TenantId,
} from '@cruvero/core';
import type {
  InstanceDraft,
  OutboxDraft,
  ServerDraft,
  StoreTransaction,
  VirtualDraft,
  VirtualRecord,
} from '@cruvero/ports';
import {
  instanceColumns,
  instanceValues,
  json,
  serverColumns,
  serverValues,
  text,
  timeAt,
  toInstance,
  toServer,
  toVirtual,
  virtualColumns,
  virtualValues,
} from './rows.ts';
import type { SqlRow, SqlSession, SqlValue } from './sql-runner.ts';

export const lockText = 'SELECT revision FROM mcp_registry_revision FOR UPDATE';
export const getText = `SELECT ${serverColumns} FROM mcp_servers WHERE tenant_id = $1 AND name = $2`;
export const virtualText = `SELECT ${virtualColumns} FROM mcp_virtual_servers WHERE tenant_id = $1 AND name = $2`;
export const instancesText = `SELECT ${instanceColumns} FROM mcp_server_instances
  WHERE tenant_id = $1 AND server_name = $2 ORDER BY instance_id COLLATE "C"`;

const upsertText = `INSERT INTO mcp_servers (tenant_id, name, transport, endpoint, command, args, env_vars,
    allowed_endpoints, debug, source, status, tool_count, version, capabilities, tools, health_status, health_reason,
    last_healthy, last_seen, created_at, updated_at, credential)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
    ${timeAt(18)}, ${timeAt(19)}, ${timeAt(20)}, ${timeAt(20)}, $21)
  ON CONFLICT (tenant_id, name) DO UPDATE SET
    (transport, endpoint, command, args, env_vars, allowed_endpoints, debug, source, status, tool_count, version,
      capabilities, tools, health_status, health_reason, last_healthy, last_seen, updated_at, credential)
    = (excluded.transport, excluded.endpoint, excluded.command, excluded.args, excluded.env_vars,
      excluded.allowed_endpoints, excluded.debug, excluded.source, excluded.status, excluded.tool_count,
      excluded.version, excluded.capabilities, excluded.tools, excluded.health_status, excluded.health_reason,
      excluded.last_healthy, excluded.last_seen, excluded.updated_at, excluded.credential)
  RETURNING ${serverColumns}`;

const upsertInstanceText = `INSERT INTO mcp_server_instances (tenant_id, server_name, instance_id, transport, endpoint,
    weight, tags, metadata, version, capabilities_hash, heartbeat_interval_ms, health_status, health_reason,
    last_healthy, last_seen, created_at, updated_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
    ${timeAt(14)}, ${timeAt(15)}, ${timeAt(16)}, ${timeAt(16)})
  ON CONFLICT (tenant_id, server_name, instance_id) DO UPDATE SET
    (transport, endpoint, weight, tags, metadata, version, capabilities_hash, heartbeat_interval_ms, health_status,
      health_reason, last_healthy, last_seen, updated_at)
    = (excluded.transport, excluded.endpoint, excluded.weight, excluded.tags, excluded.metadata, excluded.version,
      excluded.capabilities_hash, excluded.heartbeat_interval_ms, excluded.health_status, excluded.health_reason,
      excluded.last_healthy, excluded.last_seen, excluded.updated_at)
  RETURNING ${instanceColumns}`;

const putVirtualText = `INSERT INTO mcp_virtual_servers (tenant_id, name, source, description, instructions, names,
    members, created_at, updated_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, ${timeAt(8)}, ${timeAt(8)})
  ON CONFLICT (tenant_id, name) DO UPDATE SET (source, description, instructions, names, members, updated_at)
    = (excluded.source, excluded.description, excluded.instructions, excluded.names, excluded.members,
      excluded.updated_at)
  RETURNING ${virtualColumns}`;

const healthSet = `health_status = $1, health_reason = $2, updated_at = ${timeAt(3)},
  last_healthy = CASE WHEN $1 = 'healthy' THEN ${timeAt(3)} ELSE last_healthy END`;

const putApiKeyText = `INSERT INTO mcp_api_keys (key_id, sha256, tenant_id, principal, scopes, profile, created_at)
  VALUES ($1, $2, $3, $4, $5, $6, ${timeAt(7)})
  ON CONFLICT (key_id) DO UPDATE SET (sha256, tenant_id, principal, scopes, profile)
    = (excluded.sha256, excluded.tenant_id, excluded.principal, excluded.scopes, excluded.profile)`;

const putProfileText = `INSERT INTO mcp_policy_profiles
    (name, rate_limit, rate_burst, tool_allowlist, tool_denylist, enforcement_mode, updated_at)
  VALUES ($1, $2, $3, $4, $5, $6, ${timeAt(7)})
  ON CONFLICT (name) DO UPDATE SET (rate_limit, rate_burst, tool_allowlist, tool_denylist, enforcement_mode, updated_at)
    = (excluded.rate_limit, excluded.rate_burst, excluded.tool_allowlist, excluded.tool_denylist,
      excluded.enforcement_mode, excluded.updated_at)`;

const firstRow = (rows: readonly SqlRow[]): SqlRow => {
  const row = rows[0];
  if (!row) throw new Error('a statement that returns a row returned none');
  return row;
};

export class SqlTransaction implements StoreTransaction {
  readonly #session: SqlSession;
  readonly #nowMs: number;

  constructor(session: SqlSession, nowMs: number) {
    this.#session = session;
    this.#nowMs = nowMs;
  }

  /** Of a statement with RETURNING: true where it changed a row. */
  async #changed(statement: string, values: readonly SqlValue[]): Promise<boolean> {
    return (await this.#session.query(statement, values)).length > 0;
  }

  async upsert(draft: ServerDraft): Promise<ServerRecord> {
    return toServer(firstRow(await this.#session.query(upsertText, serverValues(draft, this.#nowMs))));
  }

  async get(tenantId: TenantId, name: ServerName): Promise<ServerRecord | undefined> {
    const row = (await this.#session.query(getText, [tenantId, name]))[0];
    return row && toServer(row);
  }

  updateHealth(
    tenantId: TenantId,
    name: ServerName,
    health: HealthStatus,
    reason?: string,
  ): Promise<boolean> {
    const statement = `UPDATE mcp_servers SET ${healthSet} WHERE tenant_id = $4 AND name = $5 RETURNING 1`;
    return this.#changed(statement, [health, text(reason), this.#nowMs, tenantId, name]);
  }

  updateStatus(tenantId: TenantId, name: ServerName, status: ServerStatus): Promise<boolean> {
    const statement = `UPDATE mcp_servers SET status = $1, updated_at = ${timeAt(2)}
      WHERE tenant_id = $3 AND name = $4 RETURNING 1`;
    return this.#changed(statement, [status, this.#nowMs, tenantId, name]);
  }

  delete(tenantId: TenantId, name: ServerName): Promise<boolean> {
    return this.#changed('DELETE FROM mcp_servers WHERE tenant_id = $1 AND name = $2 RETURNING 1', [
      tenantId,
      name,
    ]);
  }

  async upsertInstance(draft: InstanceDraft): Promise<InstanceRecord> {
    return toInstance(
      firstRow(await this.#session.query(upsertInstanceText, instanceValues(draft, this.#nowMs))),
    );
  }

  async instances(tenantId: TenantId, name: ServerName): Promise<readonly InstanceRecord[]> {
    return (await this.#session.query(instancesText, [tenantId, name])).map(toInstance);
  }

  updateInstanceHealth(
    tenantId: TenantId,
    name: ServerName,
    id: InstanceId,
    health: HealthStatus,
    reason?: string,
  ): Promise<boolean> {
    const statement = `UPDATE mcp_server_instances SET ${healthSet}
      WHERE tenant_id = $4 AND server_name = $5 AND instance_id = $6 RETURNING 1`;
    return this.#changed(statement, [health, text(reason), this.#nowMs, tenantId, name, id]);
  }

  async touchInstance(
    tenantId: TenantId,
    name: ServerName,
    id: InstanceId,
    seenMs: number,
  ): Promise<boolean> {
    const touched = await this.#changed(
      `UPDATE mcp_server_instances SET last_seen = greatest(last_seen, ${timeAt(4)})
        WHERE tenant_id = $1 AND server_name = $2 AND instance_id = $3 RETURNING 1`,
      [tenantId, name, id, seenMs],
    );
    if (!touched) return false;
    // greatest() passes over a null: the first sign of life counts.
    const server = `UPDATE mcp_servers SET last_seen = greatest(last_seen, ${timeAt(3)}) WHERE tenant_id = $1 AND name = $2`;
    await this.#session.query(server, [tenantId, name, seenMs]);
    return true;
  }

  deleteInstance(tenantId: TenantId, name: ServerName, id: InstanceId): Promise<boolean> {
    const statement = `DELETE FROM mcp_server_instances
      WHERE tenant_id = $1 AND server_name = $2 AND instance_id = $3 RETURNING 1`;
    return this.#changed(statement, [tenantId, name, id]);
  }

  async putVirtual(draft: VirtualDraft): Promise<VirtualRecord> {
    return toVirtual(firstRow(await this.#session.query(putVirtualText, virtualValues(draft, this.#nowMs))));
  }

  async virtual(tenantId: TenantId, name: ServerName): Promise<VirtualRecord | undefined> {
    const row = (await this.#session.query(virtualText, [tenantId, name]))[0];
    return row && toVirtual(row);
  }

  deleteVirtual(tenantId: TenantId, name: ServerName): Promise<boolean> {
    const statement = 'DELETE FROM mcp_virtual_servers WHERE tenant_id = $1 AND name = $2 RETURNING 1';
    return this.#changed(statement, [tenantId, name]);
  }

  async putApiKey(key: ApiKey): Promise<void> {
    const values = [
      key.keyId,
      key.sha256,
      key.tenantId,
      text(key.principal),
      json(key.scopes),
      text(key.profile),
      this.#nowMs,
    ];
    await this.#session.query(putApiKeyText, values);
  }

  deleteApiKey(keyId: string): Promise<boolean> {
    return this.#changed('DELETE FROM mcp_api_keys WHERE key_id = $1 RETURNING 1', [text(keyId)]);
  }

  async putProfile(profile: PolicyProfile): Promise<void> {
    const { name, rateLimit, rateBurst, toolAllowlist, toolDenylist, enforcementMode } = profile;
    const lists = [json(toolAllowlist), json(toolDenylist)];
    await this.#session.query(putProfileText, [
      text(name),
      rateLimit,
      rateBurst,
      ...lists,
      enforcementMode,
      this.#nowMs,
    ]);
  }

  deleteProfile(name: string): Promise<boolean> {
    return this.#changed('DELETE FROM mcp_policy_profiles WHERE name = $1 RETURNING 1', [text(name)]);
  }

  firstSight(eventId: string): Promise<boolean> {
    const statement = `INSERT INTO mcp_registry_seen_events (event_id, seen_at) VALUES ($1, ${timeAt(2)})
      ON CONFLICT (event_id) DO NOTHING RETURNING 1`;
    return this.#changed(statement, [text(eventId), this.#nowMs]);
  }

  async enqueue(draft: OutboxDraft): Promise<void> {
    const statement = `INSERT INTO mcp_registry_outbox (subject, message_id, body, created_at)
      VALUES ($1, $2, $3, ${timeAt(4)})`;
    await this.#session.query(statement, [
      text(draft.subject),
      text(draft.messageId),
      json(draft.body),
      this.#nowMs,
    ]);
  }

  async bumpRevision(): Promise<number> {
    const statement =
      'UPDATE mcp_registry_revision SET revision = revision + 1 RETURNING revision::float8 AS revision';
    return Number(firstRow(await this.#session.query(statement))['revision']);
  }

  async renewIncarnation(): Promise<string> {
    const statement =
      'UPDATE mcp_registry_revision SET incarnation = gen_random_uuid() RETURNING incarnation::text AS incarnation';
    return String(firstRow(await this.#session.query(statement))['incarnation']);
  }
}
