/** Heartbeats, deregistrations and verdicts as changes of the rows. */

import type { DeregisterEvent, HeartbeatEvent, VerdictEvent } from '@cruvero/contracts';
import { readInstanceId, readServerName, readTenantId } from '@cruvero/core';
import type { InstanceId, ServerName, TenantId } from '@cruvero/core';
import type { StoreTransaction } from '@cruvero/ports';
import type { AnnounceParts, Applied } from './announce.ts';
import { recordChange, settleServer } from './changes.ts';

interface Named {
  readonly tenantId: TenantId;
  readonly name: ServerName;
}

function namesOf(
  event: HeartbeatEvent | DeregisterEvent | VerdictEvent,
  parts: AnnounceParts,
): Named | undefined {
  const name = readServerName(event.payload.server);
  return name && { tenantId: readTenantId(event.tenant_id) ?? parts.tenantId, name };
}

const unknown: Applied = { outcome: 'unknown' };

/** Moves last_seen; whether a stale instance is well again is for the health monitor to say. */
export async function applyHeartbeat(
  tx: StoreTransaction,
  event: HeartbeatEvent,
  parts: AnnounceParts,
): Promise<Applied> {
  const named = namesOf(event, parts);
  const id = readInstanceId(event.payload.instance_id);
  if (!named || !id) return unknown;
  const touched = await tx.touchInstance(named.tenantId, named.name, id, parts.clock.nowMs());
  return touched ? { outcome: 'unchanged' } : unknown;
}

export async function applyDeregister(
  tx: StoreTransaction,
  event: DeregisterEvent,
  parts: AnnounceParts,
): Promise<Applied> {
  const named = namesOf(event, parts);
  if (!named) return unknown;
  const id = event.payload.instance_id;
  const gone = (await tx.instances(named.tenantId, named.name)).filter(
    (row) => id === undefined || row.instanceId === id,
  );
  if (gone.length === 0) return unknown;
  await dropInstances(
    tx,
    named,
    gone.map((row) => row.instanceId),
    parts,
  );
  return { outcome: 'applied' };
}

/** Takes instances out and tells it; the server row follows by the rules of `settleServer`. */
export async function dropInstances(
  tx: StoreTransaction,
  { tenantId, name }: Named,
  ids: readonly InstanceId[],
  parts: AnnounceParts,
): Promise<void> {
  for (const id of ids) await tx.deleteInstance(tenantId, name, id);
  const deleted = await settleServer(tx, parts, tenantId, name);
  await recordChange(tx, parts, {
    action: deleted ? 'server.deleted' : 'server.upserted',
    tenantId,
    server: name,
  });
}

/** True where a sign of life came in after the monitor concluded that there was none. */
function isOutdated(event: VerdictEvent, lastSeenMs: number): boolean {
  const concludedMs = Date.parse(event.timestamp);
  const silent = event.payload.new_status === 'stale' || event.payload.new_status === 'expired';
  return silent && Number.isFinite(concludedMs) && lastSeenMs > concludedMs;
}

export async function applyVerdict(
  tx: StoreTransaction,
  event: VerdictEvent,
  parts: AnnounceParts,
): Promise<Applied> {
  const named = namesOf(event, parts);
  if (!named) return unknown;
  const { tenantId, name } = named;
  const row = (await tx.instances(tenantId, name)).find(
    (each) => each.instanceId === event.payload.instance_id,
  );
  if (!row) return unknown;
  if (isOutdated(event, row.lastSeenMs)) return { outcome: 'outdated' };
  const { new_status: status, health, reason } = event.payload;
  if (status === 'expired' || health === 'expired') {
    await dropInstances(tx, named, [row.instanceId], parts);
    return { outcome: 'applied' };
  }
  const before = await tx.get(tenantId, name);
  await tx.updateInstanceHealth(tenantId, name, row.instanceId, health, reason);
  await settleServer(tx, parts, tenantId, name);
  const after = await tx.get(tenantId, name);
  if (row.healthStatus === health && before?.status === after?.status) return { outcome: 'unchanged' };
  await recordChange(tx, parts, { action: 'server.health_changed', tenantId, server: name });
  return { outcome: 'applied' };
}
