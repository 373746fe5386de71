/** The virtual servers of a payload, and what became of them since the one before. */

import { virtualDefinition, virtualWireSchema, type ServersPayload } from '@cruvero/contracts';
import { readTenantId, serverKey, type ServerKey, type VirtualServer } from '@cruvero/core';

export type Virtuals = ReadonlyMap<ServerKey, VirtualServer>;

export interface VirtualsChange {
  readonly added: readonly VirtualServer[];
  /** As they are now. */
  readonly changed: readonly VirtualServer[];
  readonly removed: readonly VirtualServer[];
}

/** What cannot be read is left out; the registry has checked it, so it is one of a newer version. */
export function readVirtuals(payload: ServersPayload | undefined): Virtuals {
  const virtuals = new Map<ServerKey, VirtualServer>();
  for (const row of payload?.virtual_servers ?? []) {
    const read = virtualWireSchema.safeParse(row);
    const tenantId = read.success ? readTenantId(read.data.tenant_id) : undefined;
    const definition = read.success ? virtualDefinition(read.data.name, read.data) : undefined;
    if (tenantId && definition)
      virtuals.set(serverKey(tenantId, definition.name), { tenantId, ...definition });
  }
  return virtuals;
}

export function diffVirtuals(before: Virtuals, after: Virtuals): VirtualsChange {
  if (before === after) return { added: [], changed: [], removed: [] };
  const added: VirtualServer[] = [];
  const changed: VirtualServer[] = [];
  for (const [key, virtual] of after) {
    const old = before.get(key);
    if (!old) added.push(virtual);
    else if (JSON.stringify(old) !== JSON.stringify(virtual)) changed.push(virtual);
  }
  const removed = [...before].filter(([key]) => !after.has(key)).map(([, virtual]) => virtual);
  return { added, changed, removed };
}
