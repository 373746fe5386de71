/** Keeps the rows of configured virtual servers in step with the configuration file. */

import type { TenantId, VirtualDefinition } from '@cruvero/core';
import type { Log, ServerStore } from '@cruvero/ports';
import { recordChange } from './changes.ts';
import type { ChangeParts } from './changes.ts';

export interface VirtualSourceParts {
  readonly store: ServerStore;
  readonly log: Log;
  readonly tenantId: TenantId;
  readonly change: ChangeParts;
}

/** The file has the last word on the names in it; what is no longer in it goes. True where rows changed. */
export async function syncVirtuals(
  definitions: readonly VirtualDefinition[],
  parts: VirtualSourceParts,
): Promise<boolean> {
  const { store, tenantId } = parts;
  let changed = false;
  for (const definition of definitions) changed = (await put(definition, parts)) || changed;
  const named = new Set(definitions.map(({ name }) => name));
  for (const { virtual, source } of await store.virtuals(tenantId)) {
    if (source === 'file' && !named.has(virtual.name))
      changed = (await takeOut(virtual.name, parts)) || changed;
  }
  return changed;
}

async function put(definition: VirtualDefinition, parts: VirtualSourceParts): Promise<boolean> {
  const { store, log, tenantId, change } = parts;
  const virtual = { tenantId, ...definition };
  return store.transaction(async (tx) => {
    const known = await tx.virtual(tenantId, definition.name);
    if (known?.source === 'file' && textOf(known.virtual) === textOf(virtual)) return false;
    if (known?.source === 'api')
      log.warn('the configuration file takes a virtual server over', { virtual: definition.name });
    await tx.putVirtual({ virtual, source: 'file' });
    await recordChange(tx, change, {
      action: 'virtual_server.upserted',
      tenantId,
      server: definition.name,
    });
    return true;
  });
}

function takeOut(name: VirtualDefinition['name'], parts: VirtualSourceParts): Promise<boolean> {
  const { store, tenantId, change } = parts;
  return store.transaction(async (tx) => {
    if ((await tx.virtual(tenantId, name))?.source !== 'file') return false;
    await tx.deleteVirtual(tenantId, name);
    await recordChange(tx, change, { action: 'virtual_server.deleted', tenantId, server: name });
    return true;
  });
}

/** Two equal texts are the same definition; fields in one order, whoever wrote them. */
function textOf({ name, description, instructions, names, members }: VirtualDefinition): string {
  const parts = members.map(({ server, tools, prompts, resources, aliases }) => [
    server,
    tools,
    prompts,
    resources,
    aliases,
  ]);
  return JSON.stringify([name, description, instructions, names, parts]);
}
