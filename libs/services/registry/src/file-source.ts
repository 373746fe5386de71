/** Keeps the rows of configured URLs in step with the configuration; commands are the stdio-bridge's business. */

import type { InstanceId, ServerName, TenantId } from '@cruvero/core';
import { isDeepStrictEqual } from 'node:util';
import type { ConfiguredServer, Log, ServerStore, ServersRead, StoreTransaction } from '@cruvero/ports';
import { dropUninvited, recordChange, settleServer } from './changes.ts';
import type { ChangeParts } from './changes.ts';
import { endpointProblem } from './endpoint-policy.ts';
import { syncVirtuals } from './virtual-source.ts';

export interface FileSourceParts {
  readonly store: ServerStore;
  readonly log: Log;
  readonly tenantId: TenantId;
  readonly change: ChangeParts;
}

/** The one instance that a configured URL is. */
export const configuredInstance = 'configured' as InstanceId;

type UrlServer = Extract<ConfiguredServer, { kind: 'url' }>;

/**
 * True where rows changed. One entry that fails does not keep the others out; a store that is away rejects.
 */
export async function syncFile(read: ServersRead, parts: FileSourceParts): Promise<boolean> {
  for (const problem of read.problems) parts.log.warn('configured server left out', { problem });
  if (isUnreadable(read)) return false;
  let changed = false;
  for (const entry of read.servers) {
    if (entry.kind !== 'url') continue;
    const problem = endpointProblem(entry.url);
    if (problem === undefined) changed = (await putEntry(entry, parts)) || changed;
    else parts.log.warn('configured server left out', { server: entry.name, problem: `its url ${problem}` });
  }
  const urls = new Set(read.servers.flatMap((entry) => (entry.kind === 'url' ? [entry.name] : [])));
  const named = new Set(read.servers.map((entry) => entry.name));
  for (const row of await parts.store.listBySource(parts.tenantId, 'file')) {
    if (!urls.has(row.name)) changed = (await takeOut(row.name, !named.has(row.name), parts)) || changed;
  }
  return (await syncVirtuals(read.virtuals ?? [], parts)) || changed;
}

/** Nothing could be read: no reason to take servers out of service that were there a moment ago. */
export const isUnreadable = (read: ServersRead): boolean =>
  read.servers.length === 0 && (read.virtuals ?? []).length === 0 && read.problems.length > 0;

async function putEntry(entry: UrlServer, { store, tenantId, change }: FileSourceParts): Promise<boolean> {
  const { name, transport, url: endpoint, credential } = entry;
  return store.transaction(async (tx) => {
    const known = await tx.get(tenantId, name);
    const instance = (await tx.instances(tenantId, name)).find(
      (row) => row.instanceId === configuredInstance,
    );
    const isSame = instance?.endpoint === endpoint && instance.transport === transport;
    if (known?.source === 'file' && isSame && isDeepStrictEqual(known.credential, credential)) return false;
    const nowMs = change.clock.nowMs();
    const {
      id: _id,
      createdAtMs: _created,
      updatedAtMs: _updated,
      credential: _credential,
      ...kept
    } = known ?? emptyRow;
    const status = known && known.status !== 'deregistered' ? known.status : 'pending';
    await tx.upsert({
      ...kept,
      tenantId,
      name,
      transport,
      endpoint,
      ...(credential === undefined ? {} : { credential }),
      source: 'file',
      status,
      lastSeenMs: nowMs,
    });
    await tx.upsertInstance({
      tenantId,
      serverName: name,
      instanceId: configuredInstance,
      transport,
      endpoint,
      weight: 1,
      tags: [],
      metadata: {},
      healthStatus: 'unknown',
      lastSeenMs: nowMs,
    });
    await dropUninvited(tx, tenantId, name, new Set([configuredInstance]));
    await settleServer(tx, change, tenantId, name);
    await recordChange(tx, change, { action: 'server.upserted', tenantId, server: name });
    return true;
  });
}

const emptyRow = {
  id: '',
  createdAtMs: 0,
  updatedAtMs: 0,
  debug: false,
  toolCount: 0,
  healthStatus: 'unknown',
  credential: undefined,
} as const;

/**
 * Takes the configured instance out; the row goes too where it is named nowhere and nobody announced an
 * instance of it.
 */
async function takeOut(
  name: ServerName,
  unnamed: boolean,
  { store, tenantId, change }: FileSourceParts,
): Promise<boolean> {
  const gone = async (tx: StoreTransaction): Promise<boolean> => {
    const had = await tx.deleteInstance(tenantId, name, configuredInstance);
    // It came with the address, and goes with it: whoever announces a server of this name is not shown a secret.
    const row = await tx.get(tenantId, name);
    if (row?.credential) {
      const { credential: _credential, ...bare } = row;
      await tx.upsert(bare);
    }
    const left = (await tx.instances(tenantId, name)).length;
    if (!had && !(unnamed && left === 0)) return false;
    const deleted =
      unnamed && left === 0
        ? await tx.delete(tenantId, name)
        : await settleServer(tx, change, tenantId, name);
    await recordChange(tx, change, {
      action: deleted ? 'server.deleted' : 'server.upserted',
      tenantId,
      server: name,
    });
    return true;
  };
  return store.transaction(gone);
}
