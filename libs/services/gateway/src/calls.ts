/** The whole way of one call, from a known principal to the reply, whichever door it came through. */

import {
  defaultProfile,
  isFault,
  listKindOf,
  modernOnlyMethods,
  stringParam,
  type Fault,
  type PolicyProfile,
  type Principal,
  type Reply,
  type Snapshot,
} from '@cruvero/core';
import type { Catalog } from './catalog/catalog.ts';
import { aggregateFace, discoverResult, serverFace, virtualFace, type Face } from './faces.ts';
import { refuseWithoutCodeExec } from './code-exec.ts';
import type { RateLimit } from './filters/limit.ts';
import type { Links } from './links.ts';
import type { Door } from './door.ts';
import type { Identified, Inbound, Next, Permitted } from './pipeline.ts';
import { findServer, selectRoute } from './route.ts';
import { serversOf } from './control/state.ts';
import type { SessionMethods } from './sessions/session-methods.ts';
import type { LegacyTasks } from './legacy-tasks.ts';
import type { TaskIds } from './task-ids.ts';

export interface CallParts {
  readonly catalog: Catalog;
  readonly links: Links;
  readonly pipeline: Next;
  /** Also for what does not take the pipeline and yet reaches servers. */
  readonly limit: RateLimit;
  readonly sessionMethods: Pick<SessionMethods, 'answer'>;
  readonly taskIds: TaskIds;
  readonly legacyTasks: Pick<LegacyTasks, 'named'>;
  readonly version: string;
  readonly callsMax: number;
  readonly codeExecRequired?: boolean | undefined;
}

export class Calls {
  readonly #parts: CallParts;
  readonly #running = new Set<AbortController>();

  constructor(parts: CallParts) {
    this.#parts = parts;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Ends the calls that are still under way. */
  endAll(): void {
    for (const abort of this.#running) abort.abort();
  }

  /** Never rejects for anything that may happen. Ends the deadline. */
  async run(inbound: Inbound, principal: Principal): Promise<Reply | Fault> {
    try {
      if (this.#running.size >= this.#parts.callsMax) {
        const detail = 'Too many calls are under way here; try again soon.';
        return { fault: 'overloaded', detail, retryAfterMs: 1_000 };
      }
      this.#running.add(inbound.abort);
      return await this.#dispatch(this.#permit({ ...inbound, principal }));
    } finally {
      inbound.deadline.end();
      this.#running.delete(inbound.abort);
    }
  }

  /** What is behind the door, for initialize and server/discover. */
  async face(door: Door, principal: Principal, snapshot: Snapshot): Promise<Face | Fault> {
    const { catalog, links, version } = this.#parts;
    if (door.door === 'aggregate') {
      const servers = serversOf(snapshot, principal.tenantId);
      return aggregateFace(version, servers, (server) => catalog.faceOf(server), door.names);
    }
    if (door.door === 'virtual') {
      const compiled = catalog.views.virtual(door.name, principal.tenantId);
      return compiled
        ? virtualFace(version, compiled)
        : { fault: 'unknown_server', server: door.name, known: [] };
    }
    const server = findServer(snapshot, principal.tenantId, door.name);
    return isFault(server) ? server : serverFace(server, links);
  }

  #permit(call: Identified): Permitted {
    return { ...call, profile: profileOf(call.principal, call.snapshot) };
  }

  async #dispatch(call: Permitted): Promise<Reply | Fault> {
    const { method } = call.message;
    if (method === 'ping') return { kind: 'result', text: '{}' };
    if (call.spoken.era === 'legacy' && modernOnlyMethods.has(method))
      return { fault: 'unknown_method', method };
    if (method === 'server/discover') return this.#discover(call);
    const kind = call.door.door === 'server' ? undefined : listKindOf(method);
    if (kind !== undefined) return this.#list(call, kind);
    if (ofSessions.has(method)) return this.#parts.limit(call) ?? this.#ofSession(call);
    const routed = selectRoute(call, this.#parts);
    if (!isFault(routed)) return this.#parts.pipeline(routed);
    return this.#parts.codeExecRequired === true ? refuseWithoutCodeExec(call, routed) : routed;
  }

  #ofSession(call: Permitted): Promise<Reply | Fault> | Fault {
    const { method } = call.message;
    return this.#parts.sessionMethods.answer(call) ?? { fault: 'unknown_method', method };
  }

  #list(call: Permitted, kind: NonNullable<ReturnType<typeof listKindOf>>): Reply | Fault {
    const { door, message, principal, profile, spoken } = call;
    if (door.door === 'server') return { fault: 'unknown_method', method: message.method };
    // Every list is one page here, so no cursor was ever given out.
    if (stringParam(message.params, 'cursor') !== undefined)
      return { fault: 'bad_params', detail: 'params.cursor is not one that this endpoint gave.' };
    const list = this.#parts.catalog.views.list(kind, door, principal.tenantId, profile, spoken.era);
    return list ?? { fault: 'unknown_server', server: door.door === 'virtual' ? door.name : '', known: [] };
  }

  async #discover(call: Permitted): Promise<Reply | Fault> {
    const face = await this.face(call.door, call.principal, call.snapshot);
    return isFault(face) ? face : { kind: 'result', text: discoverResult(face) };
  }
}

/** They change a session; a caller without one has nothing to change. */
const ofSessions: ReadonlySet<string> = new Set([
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);

/** A profile that is gone falls back to the default one, never to none. */
export function profileOf(principal: Principal, snapshot: Snapshot): PolicyProfile {
  return snapshot.profiles.get(principal.profile) ?? snapshot.profiles.get('default') ?? defaultProfile;
}
