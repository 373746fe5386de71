/** Servers written down by hand: made, replaced, deleted, taken out of service. */

import {
  serverDeregisteredSchema,
  serverDeregisterSchema,
  serverPostSchema,
  serverPutSchema,
  serverViewSchema,
  tenantQuerySchema,
} from '@cruvero/contracts';
import { readInstanceId, readServerName } from '@cruvero/core';
import type { ServerName, TenantId } from '@cruvero/core';
import { recordChange } from '../changes.ts';
import { dropInstances } from '../lifecycle.ts';
import { tenantFor } from './authenticate.ts';
import type { RestParts } from './parts.ts';
import { notFound, ok, problem } from './reply.ts';
import type { RestReply } from './reply.ts';
import { nothing, route } from './route.ts';
import type { Ask, Route } from './route.ts';
import { draftProblem, writeServer } from './server-draft.ts';
import { serverView } from './views.ts';

const serversMax = 10_000;

async function viewOf({ store }: RestParts, tenant: TenantId, name: ServerName): Promise<unknown> {
  const row = await store.get(tenant, name);
  return row && serverView(row, await store.instances(tenant, name), true);
}

export const postServer = (parts: RestParts): Route =>
  route({
    method: 'post',
    path: '/admin/api/v1/servers',
    id: 'createServer',
    summary:
      'Writes a new server down. Nothing is started: a stdio server is known, but reachable only behind the stdio-bridge.',
    query: tenantQuerySchema,
    body: serverPostSchema,
    answers: { 201: serverViewSchema, 409: undefined },
    handle: async ({ principal, query, body }) => {
      const tenant = tenantFor(principal, body.tenant_id ?? query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const name = readServerName(body.name);
      if (!name) return problem(400, 'bad_request', 'The name is not valid.');
      const wrong = draftProblem(body);
      if (wrong) return wrong;
      if ((await parts.store.list(tenant)).length >= serversMax) {
        return problem(409, 'too_many', `The tenant has ${serversMax} servers already.`);
      }
      const made = await parts.store.transaction(async (tx) => {
        if (await tx.get(tenant, name)) return false;
        await writeServer(tx, parts.change, tenant, name, body);
        return true;
      });
      if (!made)
        return problem(
          409,
          'exists',
          `There is a server ${name} already; PUT /admin/api/v1/servers/${name} replaces it.`,
        );
      parts.changed();
      return {
        status: 201,
        body: await viewOf(parts, tenant, name),
        headers: { location: `/admin/api/v1/servers/${name}` },
      };
    },
  });

export const putServer = (parts: RestParts): Route =>
  route({
    method: 'put',
    path: '/admin/api/v1/servers/{name}',
    id: 'replaceServer',
    summary:
      'Writes a server down, in place of what was there. Instances that announced themselves stay where its allowed endpoints name them, or where it has neither those nor a credential.',
    query: tenantQuerySchema,
    body: serverPutSchema,
    answers: { 200: serverViewSchema, 201: serverViewSchema },
    handle: async ({ principal, path, query, body }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const name = readServerName(path['name']);
      if (!name)
        return problem(400, 'bad_request', 'The name must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots).');
      const wrong = draftProblem(body);
      if (wrong) return wrong;
      const was = await parts.store.transaction(async (tx) => {
        const known = await tx.get(tenant, name);
        await writeServer(tx, parts.change, tenant, name, body);
        return known !== undefined;
      });
      parts.changed();
      return { status: was ? 200 : 201, body: await viewOf(parts, tenant, name) };
    },
  });

export const deleteServer = (parts: RestParts): Route =>
  route({
    method: 'delete',
    path: '/admin/api/v1/servers/{name}',
    id: 'deleteServer',
    summary:
      'Forgets a server and its instances. One that runs and announces itself comes back with its next announcement.',
    query: tenantQuerySchema,
    body: nothing,
    answers: { 204: undefined },
    handle: (ask) =>
      onServer(ask, async (tenant, name) => {
        const gone = await parts.store.transaction(async (tx) => {
          const deleted = await tx.delete(tenant, name);
          if (deleted)
            await recordChange(tx, parts.change, {
              action: 'server.deleted',
              tenantId: tenant,
              server: name,
            });
          return deleted;
        });
        if (gone) parts.changed();
        return gone ? { status: 204 } : notFound('server of this name');
      }),
  });

export const deregisterServer = (parts: RestParts): Route =>
  route({
    method: 'post',
    path: '/admin/api/v1/servers/{name}/deregister',
    id: 'deregisterServer',
    summary:
      'Takes one instance out, or the whole server: then its status is deregistered until it is put or announced again.',
    query: tenantQuerySchema,
    body: serverDeregisterSchema.optional(),
    answers: { 200: serverDeregisteredSchema },
    handle: (ask) =>
      onServer(ask, async (tenant, name) => {
        const id = ask.body?.instance_id;
        const done = await parts.store.transaction(async (tx) => {
          if (!(await tx.get(tenant, name))) return false;
          const rows = (await tx.instances(tenant, name)).filter(
            (row) => id === undefined || row.instanceId === id,
          );
          if (id !== undefined && rows.length === 0) return false;
          if (id === undefined) await tx.updateStatus(tenant, name, 'deregistered');
          await dropInstances(
            tx,
            { tenantId: tenant, name },
            rows.map((row) => row.instanceId),
            parts.change,
          );
          return true;
        });
        if (!done)
          return notFound(
            id === undefined ? 'server of this name' : `instance ${readInstanceId(id)} of this server`,
          );
        parts.changed();
        return ok({ status: 'deregistered', server: name, ...(id === undefined ? {} : { instance_id: id }) });
      }),
  });

/** Reads tenant and name, or says what is wrong with them. */
async function onServer(
  { principal, path, query }: Ask<{ tenant?: string | undefined }, unknown>,
  act: (tenant: TenantId, name: ServerName) => Promise<RestReply>,
): Promise<RestReply> {
  const tenant = tenantFor(principal, query.tenant);
  if (typeof tenant !== 'string') return tenant;
  const name = readServerName(path['name']);
  return name ? act(tenant, name) : notFound('server of this name');
}
