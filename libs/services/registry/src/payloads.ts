/** The store's view in the words of the wire: one body a scope, for one gateway's tenant. */

import type {
  AuthPayload,
  ConfigScope,
  PolicyPayload,
  ServersPayload,
  ServerSettingsPayload,
  VirtualWire,
} from '@cruvero/contracts';
import { credentialWire, virtualFields } from '@cruvero/contracts';
import { compileServers, isSeenBy } from '@cruvero/core';
import type {
  ApiKey,
  AuthMode,
  Instance,
  Json,
  JsonObject,
  PolicyProfile,
  Server,
  ServerRecord,
  TenantId,
  VirtualServer,
} from '@cruvero/core';
import type { ServerStore } from '@cruvero/ports';

export type Everything = Awaited<ReturnType<ServerStore['everything']>>;

const instance = (row: Instance): ServersPayload['servers'][number]['instances'][number] => ({
  instance_id: row.instanceId,
  transport: row.transport,
  endpoint: row.endpoint,
  weight: row.weight,
  tags: [...row.tags],
  health: row.health,
  ...(row.heartbeatIntervalMs === undefined ? {} : { heartbeat_interval_ms: row.heartbeatIntervalMs }),
});

const server = (row: Server): ServersPayload['servers'][number] => ({
  tenant_id: row.tenantId,
  name: row.name,
  ...(row.version === undefined ? {} : { version: row.version }),
  ...(row.capabilitiesHash === undefined ? {} : { capabilities_hash: row.capabilitiesHash }),
  strategy: row.strategy,
  ...(row.credential === undefined ? {} : { credential: credentialWire(row.credential) }),
  instances: row.instances.map(instance),
  tools: row.tools as ServersPayload['servers'][number]['tools'],
});

const virtual = (row: VirtualServer): VirtualWire => ({
  tenant_id: row.tenantId,
  name: row.name,
  ...virtualFields(row),
});

export const profilePayload = (row: PolicyProfile): PolicyPayload['profiles'][number] => ({
  name: row.name,
  rate_limit: row.rateLimit,
  rate_burst: row.rateBurst,
  ...(row.toolAllowlist === undefined ? {} : { tool_allowlist: [...row.toolAllowlist] }),
  ...(row.toolDenylist === undefined ? {} : { tool_denylist: [...row.toolDenylist] }),
  enforcement_mode: row.enforcementMode,
});

const apiKey = (row: ApiKey): AuthPayload['keys'][number] => ({
  key_id: row.keyId,
  sha256: row.sha256,
  tenant_id: row.tenantId,
  principal: row.principal,
  scopes: [...row.scopes],
  profile: row.profile,
});

/** What somebody set for a server apart from where it is; env_vars never leave the registry. */
function settings(row: ServerRecord): ServerSettingsPayload['servers'] {
  const effective = {
    ...(row.debug ? { debug: true } : {}),
    ...(row.allowedEndpoints === undefined ? {} : { allowed_endpoints: [...row.allowedEndpoints] }),
  };
  if (Object.keys(effective).length === 0) return [];
  return [{ tenant_id: row.tenantId, server_name: row.name, effective_settings: effective }];
}

export type ConfigBodies = Readonly<Record<ConfigScope, JsonObject>>;

/** `version` of each body is the revision of the rows that it was made from, in the life of the store that it names. */
export function configBodies(view: Everything, gatewayTenant: TenantId, mode: AuthMode): ConfigBodies {
  const seen = <Row extends { readonly tenantId: TenantId }>(rows: readonly Row[]): readonly Row[] =>
    rows.filter((row) => isSeenBy(gatewayTenant, row.tenantId));
  const { revision: version, incarnation } = view;
  const servers: ServersPayload = {
    version,
    incarnation,
    spiffe_allow_list: [],
    servers: compileServers(view, gatewayTenant).map(server),
    virtual_servers: seen(view.virtuals).map(
      (row) => virtual(row) as Json,
    ) as ServersPayload['virtual_servers'],
  };
  const serverSettings: ServerSettingsPayload = {
    config_version: version,
    incarnation,
    servers: seen(view.servers).flatMap(settings),
  };
  const policy: PolicyPayload = { version, incarnation, profiles: view.profiles.map(profilePayload) };
  const auth: AuthPayload = { version, incarnation, mode, keys: seen(view.apiKeys).map(apiKey) };
  return {
    servers: servers as JsonObject,
    server_settings: serverSettings as JsonObject,
    policy: policy as JsonObject,
    auth: auth as JsonObject,
  };
}
