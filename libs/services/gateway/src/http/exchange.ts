/** One HTTP exchange with a client of MCP: who it is, what is behind the door, which session it means. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { isFault, type Fault, type Principal, type Snapshot, type Spoken } from '@cruvero/core';
import { identify, requireScope } from '../authn.ts';
import type { GatewayConfig } from '../config.ts';
import type { Door } from '../door.ts';
import type { Inbound } from '../pipeline.ts';
import type { ReceiveParts } from '../receive.ts';
import { findServer, findVirtual } from '../route.ts';
import type { ClientSession } from '../sessions/client-session.ts';
import { EventLog } from '../sessions/event-log.ts';
import { ownerKey } from '../sessions/sessions.ts';
import { presented, repeatedHeader, sessionIdOf, traceOf } from './headers.ts';
import type { ListeningParts } from './listening.ts';

export interface EndpointParts extends ReceiveParts, ListeningParts {
  readonly config: GatewayConfig;
  readonly snapshot: () => Snapshot;
  /** Tells the events of this boot from those of another; in every event id. */
  readonly eventTag: string;
}

/** One exchange as far as it is known. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly door: Door;
  readonly principal: Principal;
  readonly snapshot: Snapshot;
}

/** Who calls, and whether what is behind the door exists for them. */
export function admit(
  request: IncomingMessage,
  response: ServerResponse,
  door: Door,
  parts: Pick<EndpointParts, 'snapshot' | 'config'>,
): Exchange | Fault {
  const snapshot = parts.snapshot();
  const repeated = repeatedHeader(request);
  if (repeated) return repeated;
  const principal = callerOf(request, snapshot, parts.config);
  if (isFault(principal)) return principal;
  return refuseDoor(door, principal, snapshot) ?? { request, response, door, principal, snapshot };
}

/** For what outlives its request: whether the caller would be let in by what is configured now. */
export function isAdmitted(
  { request, principal }: Pick<Exchange, 'request' | 'principal'>,
  parts: Pick<EndpointParts, 'snapshot' | 'config'>,
): boolean {
  const again = callerOf(request, parts.snapshot(), parts.config);
  return !isFault(again) && ownerKey(again) === ownerKey(principal);
}

function callerOf(
  request: IncomingMessage,
  snapshot: Snapshot,
  { auth, tenantId }: Pick<GatewayConfig, 'auth' | 'tenantId'>,
): Principal | Fault {
  const principal = identify(presented(request), snapshot, auth, tenantId);
  return isFault(principal) ? principal : (requireScope(principal, 'mcp') ?? principal);
}

/** A fault where nothing is behind the door for this principal. */
export function refuseDoor(door: Door, principal: Principal, snapshot: Snapshot): Fault | undefined {
  if (door.door === 'aggregate') return undefined;
  const found =
    door.door === 'server'
      ? findServer(snapshot, principal.tenantId, door.name)
      : findVirtual(snapshot, principal.tenantId, door.name);
  return isFault(found) ? found : undefined;
}

/** From this replica's memory, or from the id itself where another replica made it. */
export async function findSession(
  { request, principal, door }: Exchange,
  parts: Pick<EndpointParts, 'sessions'>,
): Promise<ClientSession | Fault> {
  const id = sessionIdOf(request);
  if (id === undefined) return { fault: 'session_required' };
  const session =
    parts.sessions.find(id, principal, door) ?? (await parts.sessions.revive(id, principal, door));
  return session ?? { fault: 'unknown_session' };
}

export function eventsOf(session: ClientSession, parts: Pick<EndpointParts, 'eventTag'>): EventLog {
  session.events ??= new EventLog(parts.eventTag);
  return session.events;
}

/** The message's own trace context before the headers': proxies on the way may have begun another. */
export function traceFor(request: IncomingMessage, spoken: Pick<Spoken, 'meta'>): Inbound['trace'] {
  const traceparent = spoken.meta?.['traceparent'];
  if (typeof traceparent !== 'string') return traceOf(request);
  const tracestate = spoken.meta?.['tracestate'];
  return typeof tracestate === 'string' ? { traceparent, tracestate } : { traceparent };
}

export function accepted(response: ServerResponse): void {
  response.writeHead(202, { 'content-length': 0 });
  response.end();
}
