/** An event of a server's life with its envelope, ready for the bus. */

import type { JsonObject, TenantId } from '@cruvero/core';

export type LifecycleType = 'mcp.announce' | 'mcp.heartbeat' | 'mcp.deregister';

/** What is said of an event besides its payload. */
export interface LifecycleStamp {
  /** Also the message's id: the stream stores it once. */
  readonly id: string;
  readonly atMs: number;
  /** Undefined: the receiver's own tenant. */
  readonly tenantId: TenantId | undefined;
}

export interface LifecycleEvent {
  readonly id: string;
  readonly body: JsonObject;
}

export function lifecycleEvent(
  type: LifecycleType,
  payload: JsonObject,
  { id, atMs, tenantId }: LifecycleStamp,
): LifecycleEvent {
  const envelope = { event_type: type, event_id: id, timestamp: new Date(atMs).toISOString() };
  return { id, body: { ...envelope, ...(tenantId === undefined ? {} : { tenant_id: tenantId }), payload } };
}
