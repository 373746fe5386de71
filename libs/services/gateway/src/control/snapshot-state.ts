/** Builds the snapshot from the newest payload of each scope and the verdicts laid over it; all of it can be written down. */

import {
  defaultProfile,
  defaultProfileName,
  readInstanceId,
  readServerName,
  readTenantId,
  serverKey,
  type ApiKey,
  type BalanceStrategy,
  type GatewayId,
  type HealthStatus,
  type Instance,
  type JsonObject,
  type PolicyProfile,
  type Server,
  type ServerKey,
  type Snapshot,
  type TenantId,
} from '@cruvero/core';
import { credentialUse } from '@cruvero/contracts';
import type { AuthPayload, PolicyPayload, ServersPayload, ServerSettingsPayload } from '@cruvero/contracts';
import { readVirtuals, type Virtuals } from './virtuals.ts';

/** The last payload of each scope; undefined until one came. */
export interface Payloads {
  readonly servers?: ServersPayload | undefined;
  readonly server_settings?: ServerSettingsPayload | undefined;
  readonly policy?: PolicyPayload | undefined;
  readonly auth?: AuthPayload | undefined;
}

/** What the health monitor said of an instance since the payload was made. */
export type Verdicts = ReadonlyMap<string, HealthStatus>;

export function verdictKey(tenantId: string, server: string, instanceId: string): string {
  return `${tenantId}/${server}/${instanceId}`;
}

export function versionsOf(payloads: Payloads): Readonly<Record<string, number>> {
  return {
    'config.servers': payloads.servers?.version ?? 0,
    'config.server_settings': payloads.server_settings?.config_version ?? 0,
    'config.policy': payloads.policy?.version ?? 0,
    'config.auth': payloads.auth?.version ?? 0,
  };
}

/** `virtuals` may be handed in where they were read from these payloads before: verdicts change none of them. */
export function buildSnapshot(
  gatewayId: GatewayId,
  payloads: Payloads,
  verdicts: Verdicts,
  virtuals: Virtuals = readVirtuals(payloads.servers),
): Snapshot {
  return {
    gatewayId,
    versions: {
      servers: payloads.servers?.version ?? 0,
      policy: payloads.policy?.version ?? 0,
      auth: payloads.auth?.version ?? 0,
    },
    servers: readServers(payloads, verdicts),
    virtuals,
    profiles: readProfiles(payloads.policy),
    apiKeys: readKeys(payloads.auth),
  };
}

function readServers(payloads: Payloads, verdicts: Verdicts): ReadonlyMap<ServerKey, Server> {
  const servers = new Map<ServerKey, Server>();
  for (const row of payloads.servers?.servers ?? []) {
    const tenantId = readTenantId(row.tenant_id);
    const name = readServerName(row.name);
    if (!tenantId || !name) continue;
    const instances = row.instances.flatMap((i) => readInstance(i, tenantId, name, verdicts));
    if (instances.length === 0) continue;
    servers.set(serverKey(tenantId, name), {
      tenantId,
      name,
      ...(row.version === undefined ? {} : { version: row.version }),
      ...(row.capabilities_hash === undefined ? {} : { capabilitiesHash: row.capabilities_hash }),
      strategy: row.strategy as BalanceStrategy,
      ...(row.credential === undefined ? {} : { credential: credentialUse(row.credential) }),
      instances,
      tools: row.tools as readonly JsonObject[],
    });
  }
  return servers;
}

type InstanceRow = ServersPayload['servers'][number]['instances'][number];

function readInstance(
  row: InstanceRow,
  tenantId: TenantId,
  server: string,
  verdicts: Verdicts,
): readonly Instance[] {
  const instanceId = readInstanceId(row.instance_id);
  const health = verdicts.get(verdictKey(tenantId, server, row.instance_id)) ?? (row.health as HealthStatus);
  if (!instanceId || health === 'expired') return [];
  return [
    {
      instanceId,
      transport: row.transport,
      endpoint: row.endpoint,
      weight: row.weight,
      tags: row.tags,
      health,
      ...(row.heartbeat_interval_ms === undefined ? {} : { heartbeatIntervalMs: row.heartbeat_interval_ms }),
    },
  ];
}

function readProfiles(payload: PolicyPayload | undefined): ReadonlyMap<string, PolicyProfile> {
  const profiles = new Map<string, PolicyProfile>([[defaultProfileName, defaultProfile]]);
  for (const row of payload?.profiles ?? []) {
    profiles.set(row.name, {
      name: row.name,
      rateLimit: row.rate_limit,
      rateBurst: row.rate_burst,
      enforcementMode: row.enforcement_mode,
      ...(row.tool_allowlist === undefined ? {} : { toolAllowlist: row.tool_allowlist }),
      ...(row.tool_denylist === undefined ? {} : { toolDenylist: row.tool_denylist }),
    });
  }
  return profiles;
}

function readKeys(payload: AuthPayload | undefined): ReadonlyMap<string, ApiKey> {
  const keys = new Map<string, ApiKey>();
  for (const row of payload?.keys ?? []) {
    const tenantId = readTenantId(row.tenant_id);
    if (!tenantId) continue;
    keys.set(row.sha256, {
      keyId: row.key_id,
      sha256: row.sha256,
      tenantId,
      principal: row.principal,
      scopes: row.scopes,
      profile: row.profile,
    });
  }
  return keys;
}
