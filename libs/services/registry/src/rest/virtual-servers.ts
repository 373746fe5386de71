/** Virtual servers: named selections of other servers, listed, made, replaced, deleted. */

import {
  tenantQuerySchema,
  virtualDefinition,
  virtualFields,
  virtualListSchema,
  virtualPostSchema,
  virtualPutSchema,
  virtualViewSchema,
} from '@cruvero/contracts';
import type { VirtualPut, VirtualView } from '@cruvero/contracts';
import { readServerName } from '@cruvero/core';
import type { ServerName, TenantId } from '@cruvero/core';
import type { StoreTransaction, VirtualRecord } from '@cruvero/ports';
import { recordChange } from '../changes.ts';
import { tenantFor } from './authenticate.ts';
import type { RestParts } from './parts.ts';
import { notFound, ok, problem } from './reply.ts';
import type { RestReply } from './reply.ts';
import { nothing, route } from './route.ts';
import type { Route } from './route.ts';

const path = '/admin/api/v1/virtual-servers';
const virtualsMax = 1_000;
const what = 'virtual server of this name';

function view({ virtual, source, createdAtMs, updatedAtMs }: VirtualRecord): VirtualView {
  return {
    tenant_id: virtual.tenantId,
    name: virtual.name,
    ...virtualFields(virtual),
    source,
    created_at: new Date(createdAtMs).toISOString(),
    updated_at: new Date(updatedAtMs).toISOString(),
  };
}

/** With the members that are not there, so that a misspelt one is seen at once. */
async function wholeView({ store }: RestParts, record: VirtualRecord): Promise<VirtualView> {
  const { tenantId, members } = record.virtual;
  const unknown: string[] = [];
  for (const server of new Set(members.map((member) => member.server)))
    if (!(await store.get(tenantId, server))) unknown.push(server);
  return { ...view(record), unknown_servers: unknown };
}

const inFile = (name: ServerName): RestReply =>
  problem(
    409,
    'configured',
    `The virtual server ${name} is kept in the configuration file; change it there, under "virtualServers".`,
  );
const tooMany = problem(409, 'too_many', `The tenant has ${virtualsMax} virtual servers already.`);

/** The row as written, or why it was not. */
async function write(
  parts: RestParts,
  tenantId: TenantId,
  name: ServerName,
  fields: VirtualPut,
  mayWrite: (known: VirtualRecord | undefined) => RestReply | undefined,
): Promise<{ readonly row: VirtualRecord; readonly was: boolean } | RestReply> {
  const definition = virtualDefinition(name, fields);
  if (!definition) throw new Error('the name was read before');
  const count = (await parts.store.virtuals(tenantId)).length;
  const written = await parts.store.transaction(async (tx) => {
    const known = await tx.virtual(tenantId, name);
    const refused = mayWrite(known) ?? (!known && count >= virtualsMax ? tooMany : undefined);
    if (refused) return refused;
    const row = await tx.putVirtual({ virtual: { tenantId, ...definition }, source: 'api' });
    await changed(tx, parts, 'virtual_server.upserted', tenantId, name);
    return { row, was: known !== undefined };
  });
  if ('row' in written) parts.changed();
  return written;
}

const changed = (
  tx: StoreTransaction,
  parts: RestParts,
  action: 'virtual_server.upserted' | 'virtual_server.deleted',
  tenantId: TenantId,
  server: ServerName,
): Promise<number> => recordChange(tx, parts.change, { action, tenantId, server });

export const listVirtualServers = ({ store }: RestParts): Route =>
  route({
    method: 'get',
    path,
    id: 'listVirtualServers',
    summary:
      'Virtual servers of a tenant, ordered by name. Each is served at /virtual/{name}/mcp of a gateway.',
    query: tenantQuerySchema,
    body: nothing,
    answers: { 200: virtualListSchema },
    handle: async ({ principal, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const items = (await store.virtuals(tenant)).map(view);
      return ok({ items, total: items.length });
    },
  });

export const getVirtualServer = (parts: RestParts): Route =>
  route({
    method: 'get',
    path: `${path}/{name}`,
    id: 'getVirtualServer',
    summary: 'One virtual server, with the members that do not exist (yet).',
    query: tenantQuerySchema,
    body: nothing,
    answers: { 200: virtualViewSchema },
    handle: async ({ principal, path: { name: asked }, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const name = readServerName(asked);
      const row = name && (await parts.store.virtual(tenant, name));
      return row ? ok(await wholeView(parts, row)) : notFound(what);
    },
  });

export const postVirtualServer = (parts: RestParts): Route =>
  route({
    method: 'post',
    path,
    id: 'createVirtualServer',
    summary:
      'Makes a virtual server out of tools, prompts and resources of others; a member need not exist yet. Where two members expose one name, the earlier one has it.',
    query: tenantQuerySchema,
    body: virtualPostSchema,
    answers: { 201: virtualViewSchema, 409: undefined },
    handle: async ({ principal, query, body }) => {
      const tenant = tenantFor(principal, body.tenant_id ?? query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const name = readServerName(body.name);
      if (!name) return problem(400, 'bad_request', 'The name is not valid.');
      const exists = `There is a virtual server ${name} already; PUT ${path}/${name} replaces it.`;
      const written = await write(parts, tenant, name, body, (known) =>
        known ? problem(409, 'exists', exists) : undefined,
      );
      if (!('row' in written)) return written;
      const headers = { location: `${path}/${name}` };
      return { status: 201, body: await wholeView(parts, written.row), headers };
    },
  });

export const putVirtualServer = (parts: RestParts): Route =>
  route({
    method: 'put',
    path: `${path}/{name}`,
    id: 'replaceVirtualServer',
    summary: 'Makes a virtual server, or replaces the one that was there.',
    query: tenantQuerySchema,
    body: virtualPutSchema,
    answers: { 200: virtualViewSchema, 201: virtualViewSchema, 409: undefined },
    handle: async ({ principal, path: { name: asked }, query, body }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const name = readServerName(asked);
      if (!name)
        return problem(400, 'bad_request', 'The name must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots).');
      const written = await write(parts, tenant, name, body, (known) =>
        known?.source === 'file' ? inFile(name) : undefined,
      );
      if (!('row' in written)) return written;
      return { status: written.was ? 200 : 201, body: await wholeView(parts, written.row) };
    },
  });

export const deleteVirtualServer = (parts: RestParts): Route =>
  route({
    method: 'delete',
    path: `${path}/{name}`,
    id: 'deleteVirtualServer',
    summary: 'Takes a virtual server away; the servers that it was made of stay.',
    query: tenantQuerySchema,
    body: nothing,
    answers: { 204: undefined, 409: undefined },
    handle: async ({ principal, path: { name: asked }, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const name = readServerName(asked);
      if (!name) return notFound(what);
      const refused = await parts.store.transaction(async (tx) => {
        const known = await tx.virtual(tenant, name);
        if (!known) return notFound(what);
        if (known.source === 'file') return inFile(name);
        await tx.deleteVirtual(tenant, name);
        await changed(tx, parts, 'virtual_server.deleted', tenant, name);
        return undefined;
      });
      if (refused) return refused;
      parts.changed();
      return { status: 204 };
    },
  });
