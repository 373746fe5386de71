/** Rows of the tables to records of the model and back. Times are timestamptz there, milliseconds here. */

import type { ApiKey, InstanceRecord, PolicyProfile, ServerRecord, VirtualServer } from '@cruvero/core';
import type {
  GatewayRecord,
  InstanceDraft,
  ServerDraft,
  VirtualDraft,
  VirtualRecord,
  VirtualSource,
} from '@cruvero/ports';
import type { SqlRow, SqlValue } from './sql-runner.ts';

const asMs = (column: string): string => `round(extract(epoch from ${column}) * 1000)::float8 AS ${column}`;

/** A time parameter in milliseconds. */
export const timeAt = (position: number): string => `to_timestamp($${position}::float8 / 1000.0)`;

export const serverColumns = [
  'id, tenant_id, name, transport, endpoint, command, args, env_vars, allowed_endpoints, credential, debug, source, status',
  'tool_count, version, capabilities, tools, health_status, health_reason',
  ...['last_healthy', 'last_seen', 'created_at', 'updated_at'].map(asMs),
].join(', ');

export const instanceColumns = [
  'tenant_id, server_name, instance_id, transport, endpoint, weight, tags, metadata, version, capabilities_hash',
  'heartbeat_interval_ms, health_status, health_reason',
  ...['last_healthy', 'last_seen', 'created_at', 'updated_at'].map(asMs),
].join(', ');

export const apiKeyColumns = 'key_id, sha256, tenant_id, principal, scopes, profile';
export const profileColumns = 'name, rate_limit, rate_burst, tool_allowlist, tool_denylist, enforcement_mode';
export const virtualColumns = [
  'tenant_id, name, source, description, instructions, names, members',
  ...['created_at', 'updated_at'].map(asMs),
].join(', ');
export const gatewayColumns = `gateway_id, tenant_id, applied_versions, ${asMs('last_seen')}`;

/** Column to field; a column that is null is left out of the record. */
type Fields<Record> = readonly (readonly [column: string, field: keyof Record & string])[];

function recordOf<Record>(row: SqlRow, fields: Fields<Record>): Record {
  const record: { [field: string]: unknown } = {};
  for (const [column, field] of fields) {
    const value = row[column];
    if (value !== null && value !== undefined) record[field] = value;
  }
  // The columns are NOT NULL where the fields are required, and the CHECKs of the tables hold the unions.
  return record as Record;
}

const serverFields: Fields<ServerRecord> = [
  ['id', 'id'],
  ['tenant_id', 'tenantId'],
  ['name', 'name'],
  ['transport', 'transport'],
  ['endpoint', 'endpoint'],
  ['command', 'command'],
  ['args', 'args'],
  ['env_vars', 'envVars'],
  ['allowed_endpoints', 'allowedEndpoints'],
  ['credential', 'credential'],
  ['debug', 'debug'],
  ['source', 'source'],
  ['status', 'status'],
  ['tool_count', 'toolCount'],
  ['version', 'version'],
  ['capabilities', 'capabilities'],
  ['tools', 'tools'],
  ['health_status', 'healthStatus'],
  ['health_reason', 'healthReason'],
  ['last_healthy', 'lastHealthyMs'],
  ['last_seen', 'lastSeenMs'],
  ['created_at', 'createdAtMs'],
  ['updated_at', 'updatedAtMs'],
];

const instanceFields: Fields<InstanceRecord> = [
  ['tenant_id', 'tenantId'],
  ['server_name', 'serverName'],
  ['instance_id', 'instanceId'],
  ['transport', 'transport'],
  ['endpoint', 'endpoint'],
  ['weight', 'weight'],
  ['tags', 'tags'],
  ['metadata', 'metadata'],
  ['version', 'version'],
  ['capabilities_hash', 'capabilitiesHash'],
  ['heartbeat_interval_ms', 'heartbeatIntervalMs'],
  ['health_status', 'healthStatus'],
  ['health_reason', 'healthReason'],
  ['last_healthy', 'lastHealthyMs'],
  ['last_seen', 'lastSeenMs'],
  ['created_at', 'createdAtMs'],
  ['updated_at', 'updatedAtMs'],
];

export const toServer = (row: SqlRow): ServerRecord => recordOf(row, serverFields);
export const toInstance = (row: SqlRow): InstanceRecord => recordOf(row, instanceFields);

export const toApiKey = (row: SqlRow): ApiKey =>
  recordOf<ApiKey>(row, [
    ['key_id', 'keyId'],
    ['sha256', 'sha256'],
    ['tenant_id', 'tenantId'],
    ['principal', 'principal'],
    ['scopes', 'scopes'],
    ['profile', 'profile'],
  ]);

export const toProfile = (row: SqlRow): PolicyProfile =>
  recordOf<PolicyProfile>(row, [
    ['name', 'name'],
    ['rate_limit', 'rateLimit'],
    ['rate_burst', 'rateBurst'],
    ['tool_allowlist', 'toolAllowlist'],
    ['tool_denylist', 'toolDenylist'],
    ['enforcement_mode', 'enforcementMode'],
  ]);

export const toVirtual = (row: SqlRow): VirtualRecord => ({
  virtual: recordOf<VirtualServer>(row, [
    ['tenant_id', 'tenantId'],
    ['name', 'name'],
    ['description', 'description'],
    ['instructions', 'instructions'],
    ['names', 'names'],
    ['members', 'members'],
  ]),
  source: row['source'] as VirtualSource,
  createdAtMs: Number(row['created_at']),
  updatedAtMs: Number(row['updated_at']),
});

export const toGateway = (row: SqlRow): GatewayRecord =>
  recordOf<GatewayRecord>(row, [
    ['gateway_id', 'gatewayId'],
    ['tenant_id', 'tenantId'],
    ['last_seen', 'lastSeenMs'],
    ['applied_versions', 'appliedVersions'],
  ]);

/** PostgreSQL text holds no NUL and no half of a surrogate pair. */
export const text = (value: string | undefined): string | null =>
  value === undefined ? null : value.toWellFormed().replaceAll('\0', '');
export const number = (value: number | undefined): number | null => value ?? null;
/** As text, so that both drivers hand it over unread. */
export const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

export const serverValues = (draft: ServerDraft, nowMs: number): readonly SqlValue[] => [
  draft.tenantId,
  draft.name,
  draft.transport,
  text(draft.endpoint),
  text(draft.command),
  json(draft.args),
  json(draft.envVars),
  json(draft.allowedEndpoints),
  draft.debug,
  draft.source,
  draft.status,
  draft.toolCount,
  text(draft.version),
  json(draft.capabilities),
  json(draft.tools),
  draft.healthStatus,
  text(draft.healthReason),
  number(draft.lastHealthyMs),
  number(draft.lastSeenMs),
  nowMs,
  json(draft.credential),
];

export const instanceValues = (draft: InstanceDraft, nowMs: number): readonly SqlValue[] => [
  draft.tenantId,
  draft.serverName,
  draft.instanceId,
  draft.transport,
  text(draft.endpoint),
  draft.weight,
  json(draft.tags),
  json(draft.metadata),
  text(draft.version),
  text(draft.capabilitiesHash),
  number(draft.heartbeatIntervalMs),
  draft.healthStatus,
  text(draft.healthReason),
  number(draft.lastHealthyMs),
  draft.lastSeenMs,
  nowMs,
];

export const virtualValues = ({ virtual, source }: VirtualDraft, nowMs: number): readonly SqlValue[] => [
  virtual.tenantId,
  virtual.name,
  source,
  text(virtual.description),
  text(virtual.instructions),
  virtual.names,
  json(virtual.members),
  nowMs,
];
