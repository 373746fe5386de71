/** Announcements over HTTP, for sidecars that reach no bus; they take the same way as those from the bus. */

import {
  announceSchema,
  deregisterSchema,
  heartbeatSchema,
  lifecycleSubjects,
  type AnnounceEvent,
  type DeregisterEvent,
  type HeartbeatEvent,
} from '@cruvero/contracts';
import { readInstanceId, readServerName, type Json, type TenantId } from '@cruvero/core';
import { z } from 'zod';
import { tenantFor } from './authenticate.ts';
import type { RestParts } from './parts.ts';
import { problem } from './reply.ts';
import { noQuery, route } from './route.ts';
import type { Route } from './route.ts';

const eventSchema = z.discriminatedUnion('event_type', [announceSchema, heartbeatSchema, deregisterSchema]);

/** `re_register`: the registry does not know this instance (any more); announce it again. */
const takenSchema = z.object({ action: z.enum(['none', 're_register']) });

type LifecycleEvent = AnnounceEvent | HeartbeatEvent | DeregisterEvent;

/** Answered when the stream has stored the event, and not before. */
export const postLifecycleEvent = (parts: RestParts): Route =>
  route({
    method: 'post',
    path: '/api/v1/lifecycle',
    id: 'postLifecycleEvent',
    summary: 'Takes mcp.announce, mcp.heartbeat and mcp.deregister from sidecars that reach no bus.',
    query: noQuery,
    body: eventSchema,
    answers: { 202: takenSchema },
    handle: async ({ principal, body }) => {
      if (body.event_type === 'mcp.announce' && body.payload.transport === 'inproc') {
        return problem(
          400,
          'bad_request',
          'The transport "inproc" is for children of this process; announce http or sse.',
        );
      }
      const tenantId = tenantFor(principal, body.tenant_id);
      if (typeof tenantId !== 'string') return tenantId;
      const event = { ...body, tenant_id: tenantId } as Json;
      const fault = await parts.bus.publishStored(
        subjectOf(body, parts.change.subjectPrefix),
        event,
        // Two tenants may count their events alike, and one its announcements and its heartbeats.
        `${tenantId}/${body.event_type}/${body.event_id}`,
      );
      if (fault) return problem(503, fault.fault, `The event could not be stored: ${fault.detail}.`);
      return {
        status: 202,
        body: { action: (await isKnown(body, tenantId, parts)) ? 'none' : 're_register' },
      };
    },
  });

function subjectOf(event: LifecycleEvent, prefix: string): string {
  const subjects = lifecycleSubjects(prefix);
  const bySubject = {
    'mcp.announce': subjects.announce,
    'mcp.heartbeat': subjects.heartbeat,
    'mcp.deregister': subjects.deregister,
  } as const;
  return bySubject[event.event_type];
}

/** Only a heartbeat can be from somebody who was forgotten. */
async function isKnown(event: LifecycleEvent, tenantId: TenantId, { store }: RestParts): Promise<boolean> {
  if (event.event_type !== 'mcp.heartbeat') return true;
  const server = readServerName(event.payload.server);
  const instance = readInstanceId(event.payload.instance_id);
  if (!server || !instance) return false;
  const rows = await store.instances(tenantId, server);
  return rows.some((row) => row.instanceId === instance);
}
