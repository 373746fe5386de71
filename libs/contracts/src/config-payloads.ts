/** What the control plane tells a gateway, scope by scope (requirements, appendix A2; our fields are additive). */

import { balanceStrategies, healthStatuses, serverNamePattern } from '@cruvero/core';
import { z } from 'zod';
import { credentialWireSchema } from './credential-use.ts';

const version = z.number().int().min(0);
const jsonObject = z.record(z.string(), z.json());

/** Which life of the registry's store speaks; versions of two lives cannot be compared. */
const spoken = {
  incarnation: z.string().min(1).max(64).optional(),
  /** `request_id` of the question that this answers; absent in what was told unasked. */
  in_answer_to: z.string().max(64).optional(),
};

/** A body too large for one message: it stands in `configBucket` in parts, each at most 512 KiB. */
export const chunkedSchema = z.looseObject({
  version,
  chunked: z.looseObject({ keys: z.array(z.string()).min(1).max(4_096), sha256: z.string().length(64) }),
});

const instanceSchema = z.looseObject({
  instance_id: z.string(),
  transport: z.enum(['stdio', 'http', 'sse', 'inproc']),
  endpoint: z.string(),
  weight: z.number().int().min(1),
  tags: z.array(z.string()),
  health: z.enum(healthStatuses as [string, ...string[]]),
  heartbeat_interval_ms: z.number().int().optional(),
});

export const serversSchema = z.looseObject({
  version,
  ...spoken,
  spiffe_allow_list: z.array(z.string()).default([]),
  servers: z.array(
    z.looseObject({
      tenant_id: z.string(),
      name: z.string().regex(serverNamePattern),
      version: z.string().optional(),
      capabilities_hash: z.string().optional(),
      strategy: z.enum(balanceStrategies as [string, ...string[]]).default('round_robin'),
      /** By reference: which secret the server is shown. */
      credential: credentialWireSchema.optional(),
      instances: z.array(instanceSchema),
      tools: z.array(jsonObject).default([]),
    }),
  ),
  /** Each is read by `virtualWireSchema`; one that cannot be read does not cost the others. */
  virtual_servers: z.array(z.json()).optional(),
});

export const policySchema = z.looseObject({
  version: version.default(0),
  ...spoken,
  profiles: z
    .array(
      z.looseObject({
        name: z.string().min(1),
        rate_limit: z.number().positive(),
        rate_burst: z.number().positive(),
        tool_allowlist: z.array(z.string()).optional(),
        tool_denylist: z.array(z.string()).optional(),
        enforcement_mode: z.enum(['enforce', 'audit']),
      }),
    )
    .min(1)
    .refine((profiles) => profiles.some((p) => p.name === 'default'), 'one profile must be named "default"'),
});

const secretName = /secret|password|token|private_key|apikey|api_key/i;

/** True where a key anywhere inside looks like it carries a secret: settings travel in the clear. */
function holdsSecretName(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsSecretName);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, inner]) => secretName.test(key) || holdsSecretName(inner));
}

export const serverSettingsSchema = z.looseObject({
  config_version: z.number().int().min(1),
  ...spoken,
  servers: z.array(
    z.looseObject({
      server_name: z.string().min(1),
      effective_settings: jsonObject.refine(
        (settings) => !holdsSecretName(settings),
        'a setting must not be named like a secret; pass secrets by reference',
      ),
    }),
  ),
});

export const authSchema = z.looseObject({
  version: version.default(0),
  ...spoken,
  mode: z.enum(['apikey', 'jwt', 'none']),
  oidc_issuer: z.string().optional(),
  oidc_audience: z.string().optional(),
  /** Hashes only. */
  keys: z
    .array(
      z.looseObject({
        key_id: z.string(),
        sha256: z.string().regex(/^[0-9a-f]{64}$/),
        tenant_id: z.string(),
        principal: z.string(),
        scopes: z.array(z.enum(['mcp', 'admin'])),
        profile: z.string(),
      }),
    )
    .default([]),
});

export const configRequestSchema = z.looseObject({
  gateway_id: z.string(),
  tenant_id: z.string().optional(),
  /** `config.<scope>` → version that the gateway has. */
  last_known_versions: z.record(z.string(), z.number().int()).default({}),
  /** `config.<scope>` → incarnation that this version is of; absent from those that do not tell lives apart. */
  last_known_incarnations: z.record(z.string(), z.string().max(64)).optional(),
  /** Comes back as `in_answer_to`. */
  request_id: z.string().min(1).max(64).optional(),
});

export type ServersPayload = z.output<typeof serversSchema>;
export type PolicyPayload = z.output<typeof policySchema>;
export type ServerSettingsPayload = z.output<typeof serverSettingsSchema>;
export type AuthPayload = z.output<typeof authSchema>;
export type ConfigRequest = z.output<typeof configRequestSchema>;
