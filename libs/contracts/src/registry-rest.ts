/** Bodies of the registry's REST interface: what the admin API and the mesh facade take and give. */

import { healthStatuses, serverSources, serverStatuses, transports } from '@cruvero/core';
import { z } from 'zod';
import { policySchema } from './config-payloads.ts';
import { credentialWireSchema } from './credential-use.ts';
import { toolsMax } from './lifecycle.ts';

const words = (list: readonly string[]) => z.enum(list as [string, ...string[]]);
const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots)');
const tenant = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'must be 1 to 63 letters, digits, - or _');
const instanceId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'must be 1-128 of A-Z a-z 0-9 . _ : -');
const jsonObject = z.record(z.string(), z.json());
const endpoint = z.string().min(1).max(2_048);
const tool = z.looseObject({ name: z.string().min(1).max(512) });
/** RFC 3339. */
const time = z.string();

export const instanceViewSchema = z.object({
  instance_id: z.string(),
  transport: words(transports),
  endpoint: z.string().optional(),
  weight: z.number().int(),
  tags: z.array(z.string()),
  metadata: jsonObject,
  version: z.string().optional(),
  capabilities_hash: z.string().optional(),
  heartbeat_interval_ms: z.number().int().optional(),
  health_status: words(healthStatuses),
  health_reason: z.string().optional(),
  last_healthy: time.optional(),
  last_seen: time,
  created_at: time,
  updated_at: time,
});

/**
 * MCPServerRecord without `env_vars`, which never leave the registry; `tools` in the answer for one server
 * only.
 */
export const serverViewSchema = z.object({
  id: z.string(),
  tenant_id: tenant,
  name,
  transport: words(transports),
  endpoint: z.string().optional(),
  command: z.string().optional(),
  args: z.array(z.string()).optional(),
  allowed_endpoints: z.array(z.string()).optional(),
  credential: credentialWireSchema.optional(),
  debug: z.boolean(),
  source: words(serverSources),
  status: words(serverStatuses),
  tool_count: z.number().int(),
  version: z.string().optional(),
  capabilities: jsonObject.optional(),
  tools: z.array(jsonObject).optional(),
  health_status: words(healthStatuses),
  health_reason: z.string().optional(),
  last_healthy: time.optional(),
  last_seen: time.optional(),
  created_at: time,
  updated_at: time,
  instances: z.array(instanceViewSchema),
});

/** `inproc` is not among the transports: it never comes from outside. */
const draftFields = {
  transport: z.enum(['stdio', 'http', 'sse']),
  endpoint: endpoint.optional(),
  command: z.string().max(1_024).optional(),
  args: z.array(z.string().max(4_096)).max(256).optional(),
  env_vars: z.record(z.string().max(256), z.string().max(8_192)).optional(),
  allowed_endpoints: z.array(endpoint).max(64).optional(),
  /** By reference; the secret itself goes to `PUT /admin/api/v1/credentials/{integration}`. */
  credential: credentialWireSchema.optional(),
  debug: z.boolean().default(false),
  status: z.enum(['pending', 'active', 'draining', 'disabled']).optional(),
  version: z.string().max(128).optional(),
  capabilities: jsonObject.optional(),
  tools: z.array(tool).max(toolsMax).optional(),
  instances: z
    .array(
      z.strictObject({
        instance_id: instanceId,
        endpoint,
        weight: z.number().int().min(1).max(1_000).default(1),
        tags: z.array(z.string().max(128)).max(64).default([]),
        metadata: jsonObject.default({}),
      }),
    )
    .max(256)
    .optional(),
};
export const serverPutSchema = z.strictObject(draftFields);
export const serverPostSchema = z.strictObject({ name, tenant_id: tenant.optional(), ...draftFields });

export const serverListQuerySchema = z.strictObject({
  status: words(serverStatuses).optional(),
  q: z.string().max(128).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().max(256).optional(),
  tenant: tenant.optional(),
});
export const tenantQuerySchema = z.strictObject({ tenant: tenant.optional() });

export const serverListSchema = z.object({
  items: z.array(serverViewSchema),
  /** Of all pages. */
  total: z.number().int(),
  next_cursor: z.string().nullable(),
});

export const serverDeregisterSchema = z.strictObject({
  instance_id: instanceId.optional(),
  reason: z.string().max(512).optional(),
});
export const serverDeregisteredSchema = z.object({
  status: z.literal('deregistered'),
  server: name,
  instance_id: instanceId.optional(),
});

export const gatewayListSchema = z.object({
  items: z.array(
    z.object({
      gateway_id: z.string(),
      tenant_id: tenant,
      last_seen: time,
      applied_versions: z.record(z.string(), z.number()),
    }),
  ),
  total: z.number().int(),
  /** What gateways should have applied. */
  revision: z.number().int(),
});

export const apiKeyViewSchema = z.object({
  key_id: z.string(),
  tenant_id: tenant,
  principal: z.string(),
  scopes: z.array(z.enum(['mcp', 'admin'])),
  profile: z.string(),
});
export const apiKeyListSchema = z.object({ items: z.array(apiKeyViewSchema), total: z.number().int() });
export const apiKeyPostSchema = z.strictObject({
  principal: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@:-]{0,127}$/, 'must be 1-128 of A-Z a-z 0-9 . _ @ : -'),
  tenant_id: tenant.optional(),
  scopes: z
    .array(z.enum(['mcp', 'admin']))
    .min(1)
    .max(2)
    .default(['mcp']),
  profile: z.string().min(1).max(128).default('default'),
});
/** `key` is said here and never again. */
export const apiKeyMadeSchema = apiKeyViewSchema.extend({ key: z.string() });

export const profilesBodySchema = policySchema.omit({ version: true });

export const restErrorSchema = z.object({
  error: z.object({ code: z.string(), message: z.string(), details: z.json().optional() }),
});

const meshState = z.enum(['HEALTHY', 'DEGRADED', 'UNHEALTHY', 'UNKNOWN']);
export const meshRegisterSchema = z.looseObject({
  service_id: instanceId.optional(),
  service_name: z.string().regex(/^[a-z0-9-]{1,64}$/, 'must match ^[a-z0-9-]{1,64}$'),
  address: z.string().min(1).max(253),
  port: z.number().int().min(1).max(65_535),
  tags: z.array(z.string().max(128)).max(64).default([]),
  metadata: jsonObject.default({}),
});
export const meshRegisteredSchema = z.object({
  service_id: z.string(),
  status: z.literal('registered'),
  message: z.string(),
});
export const meshDeregisteredSchema = z.object({ status: z.literal('deregistered'), message: z.string() });
export const meshServicesQuerySchema = z.looseObject({
  name: z.string().max(128).optional(),
  tenant: tenant.optional(),
});
export const meshServicesSchema = z.object({
  services: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      address: z.string(),
      port: z.number().int(),
      tags: z.array(z.string()),
      metadata: jsonObject,
      state: meshState,
    }),
  ),
  count: z.number().int(),
});
export const meshDiscoverQuerySchema = z.looseObject({
  use_cache: z.string().optional(),
  tenant: tenant.optional(),
});
export const meshDiscoverSchema = z.object({
  service_name: z.string(),
  instances: z.array(
    z.object({
      id: z.string(),
      address: z.string(),
      state: meshState,
      tags: z.array(z.string()),
      metadata: jsonObject,
    }),
  ),
  total: z.number().int(),
  healthy: z.number().int(),
});

export type ServerView = z.output<typeof serverViewSchema>;
export type InstanceView = z.output<typeof instanceViewSchema>;
export type ServerPut = z.output<typeof serverPutSchema>;
export type MeshState = z.output<typeof meshState>;
