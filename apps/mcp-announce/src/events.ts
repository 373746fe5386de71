/** The three events of a server's life, as they stand on the bus. */

import { randomUUID } from 'node:crypto';
import { announceSchema, deregisterSchema, heartbeatSchema } from '@cruvero/contracts';
import type { InstanceId, Json, ServerName, TenantId } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { Offer } from './discovery.ts';

/** What is announced: who, where, and how it wants to be treated. */
export interface Announced {
  readonly server: ServerName;
  readonly instanceId: InstanceId;
  readonly tenantId: TenantId | undefined;
  readonly transport: 'http' | 'sse';
  readonly endpoint: string;
  /** Undefined: no heartbeats are promised. */
  readonly heartbeatMs: number | undefined;
  readonly versionLabel: string | undefined;
  readonly tags: readonly string[];
  readonly weight: number | undefined;
}

export interface Event {
  readonly id: string;
  readonly body: Json;
}

function envelope(type: string, who: Announced, clock: Pick<Clock, 'nowMs'>) {
  return {
    event_type: type,
    event_id: `evt-${randomUUID()}`,
    timestamp: new Date(clock.nowMs()).toISOString(),
    ...(who.tenantId === undefined ? {} : { tenant_id: who.tenantId }),
  };
}

export function announceEvent(who: Announced, offer: Offer, clock: Pick<Clock, 'nowMs'>): Event {
  const version = who.versionLabel ?? offer.version;
  const event = announceSchema.parse({
    ...envelope('mcp.announce', who, clock),
    payload: {
      server: who.server,
      instance_id: who.instanceId,
      transport: who.transport,
      endpoint: who.endpoint,
      ...(version === undefined ? {} : { version }),
      tools: offer.tools,
      capabilities: offer.capabilities,
      capabilities_hash: offer.hash,
      ...(who.heartbeatMs === undefined ? {} : { heartbeat_interval_ms: who.heartbeatMs }),
      ...(who.weight === undefined ? {} : { weight: who.weight }),
      tags: who.tags,
    },
  });
  return { id: event.event_id, body: event as Json };
}

export function heartbeatEvent(
  who: Announced,
  seq: number,
  hash: string,
  clock: Pick<Clock, 'nowMs'>,
): Event {
  const payload = {
    server: who.server,
    instance_id: who.instanceId,
    seq,
    status: 'ok',
    capabilities_hash: hash,
  };
  const event = heartbeatSchema.parse({ ...envelope('mcp.heartbeat', who, clock), payload });
  return { id: event.event_id, body: event as Json };
}

export function deregisterEvent(who: Announced, reason: string, clock: Pick<Clock, 'nowMs'>): Event {
  const payload = { server: who.server, instance_id: who.instanceId, reason };
  const event = deregisterSchema.parse({ ...envelope('mcp.deregister', who, clock), payload });
  return { id: event.event_id, body: event as Json };
}
