/** `mcp.announce`, `mcp.heartbeat`, `mcp.deregister`: what a server's sidecar says (requirements, appendix A3). */

import { serverNamePattern } from '@cruvero/core';
import { z } from 'zod';

export const toolsMax = 5_000;

const name = z.string().regex(serverNamePattern, 'must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots)');
const instanceId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/, 'must be 1-128 of A-Z a-z 0-9 . _ : -');
const tenant = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/);
const jsonObject = z.record(z.string(), z.json());

const envelope = {
  event_id: z.string().min(1).max(128),
  /** RFC 3339. */
  timestamp: z.string().max(64),
  /** Absent: the receiver's own tenant. */
  tenant_id: tenant.optional(),
};

export const announceSchema = z.looseObject({
  ...envelope,
  event_type: z.literal('mcp.announce'),
  payload: z.looseObject({
    server: name,
    instance_id: instanceId,
    transport: z.enum(['stdio', 'http', 'sse', 'inproc']),
    endpoint: z.string().max(2_048).optional(),
    command: z.string().max(1_024).optional(),
    args: z.array(z.string().max(4_096)).max(256).optional(),
    version: z.string().max(128).optional(),
    /** Definitions exactly as the server lists them (`inputSchema`, …); older announcers write `input_schema`. */
    tools: z
      .array(z.looseObject({ name: z.string().min(1).max(512) }))
      .max(toolsMax)
      .default([]),
    capabilities: jsonObject.default({}),
    capabilities_hash: z.string().max(128).optional(),
    heartbeat_interval_ms: z.number().int().min(100).max(86_400_000).optional(),
    weight: z.number().int().min(1).max(1_000).optional(),
    tags: z.array(z.string().max(128)).max(64).default([]),
    metadata: jsonObject.default({}),
    /** Who keeps this server configured; `nats` unless said. */
    source: z.enum(['nats', 'file', 'env', 'api']).optional(),
  }),
});

export const heartbeatSchema = z.looseObject({
  ...envelope,
  event_type: z.literal('mcp.heartbeat'),
  payload: z.looseObject({
    server: name,
    instance_id: instanceId,
    seq: z.number().int().min(0),
    status: z.enum(['ok', 'degraded', 'draining']).default('ok'),
    capabilities_hash: z.string().max(128).optional(),
    load: z.looseObject({ in_flight: z.number().optional(), memory_mb: z.number().optional() }).optional(),
  }),
});

export const deregisterSchema = z.looseObject({
  ...envelope,
  event_type: z.literal('mcp.deregister'),
  payload: z.looseObject({
    server: name,
    /** Absent: every instance. */
    instance_id: instanceId.optional(),
    reason: z.string().max(512).default('shutdown'),
  }),
});

/** The health monitor's conclusion on one instance. */
export const verdictSchema = z.looseObject({
  ...envelope,
  event_type: z.literal('mcp.verdict'),
  payload: z.looseObject({
    server: name,
    instance_id: instanceId,
    old_status: z.enum(['pending', 'active', 'stale', 'expired']),
    new_status: z.enum(['pending', 'active', 'stale', 'expired']),
    health: z.enum(['healthy', 'degraded', 'unhealthy', 'stale', 'expired', 'unknown']),
    reason: z.string().max(512),
    /** Since the last sign of life. */
    age_ms: z.number().int().min(0),
  }),
});

export type AnnounceEvent = z.output<typeof announceSchema>;
export type HeartbeatEvent = z.output<typeof heartbeatSchema>;
export type DeregisterEvent = z.output<typeof deregisterSchema>;
export type VerdictEvent = z.output<typeof verdictSchema>;
export type LifecycleStatus = VerdictEvent['payload']['new_status'];
