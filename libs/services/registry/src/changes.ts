/** What every change of the rows has in common: the revision that moves, and the event that is committed with it. */

import { randomBytes } from 'node:crypto';
import { registrySubjects } from '@cruvero/contracts';
import type { InstanceId, Json, ServerName, TenantId } from '@cruvero/core';
import type { Clock, StoreTransaction } from '@cruvero/ports';
import { announcedProblem } from './endpoint-policy.ts';
import { healthOfServer } from './server-health.ts';

/** What became of an event or a request. */
export type Outcome =
  | 'applied'
  /** Known already, with the same content: nothing that a gateway must hear. */
  | 'unchanged'
  | 'duplicate'
  | 'refused'
  | 'unknown'
  /** A verdict on what has changed since. */
  | 'outdated';

export type SyncAction =
  | 'server.upserted'
  | 'server.deleted'
  | 'server.health_changed'
  | 'server.status_changed'
  | 'api_keys.changed'
  | 'policy.changed'
  | 'virtual_server.upserted'
  | 'virtual_server.deleted';

export interface ChangeParts {
  readonly subjectPrefix: string;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Names of a server that the configuration file holds now; undefined where there is no file. */
  readonly configured: () => ReadonlySet<ServerName> | undefined;
}

export interface Changed {
  readonly action: SyncAction;
  readonly tenantId: TenantId;
  /** Also the name of a virtual server. */
  readonly server?: ServerName;
}

/**
 * Call it once a transaction, as the last step: gateways are told the new revision, listeners on the bus the
 * reason.
 */
export async function recordChange(
  tx: StoreTransaction,
  parts: ChangeParts,
  changed: Changed,
): Promise<number> {
  const revision = await tx.bumpRevision();
  const eventId = `evt-${randomBytes(8).toString('hex')}`;
  const body: Json = {
    event_type: 'mcp.registry_sync',
    event_id: eventId,
    timestamp: new Date(parts.clock.nowMs()).toISOString(),
    tenant_id: changed.tenantId,
    payload: {
      action: changed.action,
      revision,
      ...(changed.server === undefined ? {} : { server: changed.server }),
    },
  };
  await tx.enqueue({ subject: registrySubjects(parts.subjectPrefix).sync, messageId: eventId, body });
  return revision;
}

/**
 * Takes out the instances that could not announce themselves any more, now that the server is written down like this: they
 * were there before its credential, or before its allowed endpoints. `written` are those that came with it.
 */
export async function dropUninvited(
  tx: StoreTransaction,
  tenantId: TenantId,
  name: ServerName,
  written: ReadonlySet<InstanceId>,
): Promise<void> {
  const row = await tx.get(tenantId, name);
  for (const { instanceId, transport, endpoint } of await tx.instances(tenantId, name)) {
    const ownProcess = transport === 'inproc' || transport === 'stdio';
    if (ownProcess || endpoint === undefined || written.has(instanceId)) continue;
    if (announcedProblem(endpoint, row) !== undefined) await tx.deleteInstance(tenantId, name, instanceId);
  }
}

/**
 * Brings a server in line with what is left of its instances. An announced server goes with its last instance; one that
 * somebody wrote down stays and says that nothing answers for it. True where the row itself was deleted.
 */
export async function settleServer(
  tx: StoreTransaction,
  parts: ChangeParts,
  tenantId: TenantId,
  name: ServerName,
): Promise<boolean> {
  const row = await tx.get(tenantId, name);
  if (!row) return false;
  const instances = await tx.instances(tenantId, name);
  const leftTheFile = row.source === 'file' && parts.configured()?.has(name) === false;
  if (instances.length === 0 && (row.source === 'nats' || leftTheFile)) return tx.delete(tenantId, name);
  const { health, reason } = healthOfServer(instances);
  if (row.healthStatus !== health || row.healthReason !== reason)
    await tx.updateHealth(tenantId, name, health, reason);
  if (row.status === 'pending' && health === 'healthy') await tx.updateStatus(tenantId, name, 'active');
  return false;
}
