/** Servers with their status: the list, a page at a time, and one of them. */

import {
  serverListQuerySchema,
  serverListSchema,
  serverViewSchema,
  tenantQuerySchema,
} from '@cruvero/contracts';
import { readServerName } from '@cruvero/core';
import { tenantFor } from './authenticate.ts';
import type { RestParts } from './parts.ts';
import { notFound, ok, problem } from './reply.ts';
import { nothing, route } from './route.ts';
import type { Route } from './route.ts';
import { serverView } from './views.ts';

const writeCursor = (name: string): string => Buffer.from(name).toString('base64url');
const readCursor = (cursor: string) => readServerName(Buffer.from(cursor, 'base64url').toString());

export const listServers = ({ store }: RestParts): Route =>
  route({
    method: 'get',
    path: '/admin/api/v1/servers',
    id: 'listServers',
    summary: 'Servers of a tenant with their status, ordered by name. `q` is looked for in the name.',
    query: serverListQuerySchema,
    body: nothing,
    answers: { 200: serverListSchema },
    handle: async ({ principal, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
      if (query.cursor !== undefined && after === undefined) {
        return problem(400, 'bad_request', 'The cursor is not one that this interface gave out.');
      }
      const q = query.q?.toLowerCase() ?? '';
      const rows = (await store.list(tenant)).filter(
        (row) => (query.status === undefined || row.status === query.status) && row.name.includes(q),
      );
      const rest = rows.filter((row) => after === undefined || row.name > after);
      const page = rest.slice(0, query.limit);
      const items = [];
      for (const row of page) items.push(serverView(row, await store.instances(tenant, row.name), false));
      const last = page.at(-1);
      const more = rest.length > page.length && last !== undefined;
      return ok({ items, total: rows.length, next_cursor: more ? writeCursor(last.name) : null });
    },
  });

export const getServer = ({ store }: RestParts): Route =>
  route({
    method: 'get',
    path: '/admin/api/v1/servers/{name}',
    id: 'getServer',
    summary: 'One server with its tools and instances.',
    query: tenantQuerySchema,
    body: nothing,
    answers: { 200: serverViewSchema },
    handle: async ({ principal, path, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const name = readServerName(path['name']);
      const row = name && (await store.get(tenant, name));
      return row
        ? ok(serverView(row, await store.instances(tenant, row.name), true))
        : notFound('server of this name');
    },
  });
