/** Gateways that asked for configuration, and what they have applied. */

import { gatewayListSchema } from '@cruvero/contracts';
import { isSeenBy } from '@cruvero/core';
import type { RestParts } from './parts.ts';
import { ok } from './reply.ts';
import { noQuery, nothing, route } from './route.ts';
import type { Route } from './route.ts';

export const listGateways = ({ store }: RestParts): Route =>
  route({
    method: 'get',
    path: '/admin/api/v1/gateways',
    id: 'listGateways',
    summary: 'Gateways (and others that follow the configuration), with the revision that each has applied.',
    query: noQuery,
    body: nothing,
    answers: { 200: gatewayListSchema },
    handle: async ({ principal }) => {
      const rows = (await store.gateways()).filter((row) => isSeenBy(principal.tenantId, row.tenantId));
      const items = rows.map((row) => ({
        gateway_id: row.gatewayId,
        tenant_id: row.tenantId,
        last_seen: new Date(row.lastSeenMs).toISOString(),
        applied_versions: row.appliedVersions,
      }));
      return ok({ items, total: items.length, revision: await store.revision() });
    },
  });
