/** The whole way of one call, from a known principal to the reply, whichever door it came through. */

import {
  defaultProfile,
  isFault,
  listKindOf,
  modernOnlyMethods,
  modernResult,
  type Fault,
  type PolicyProfile,
  type Principal,
  type Reply,
  type Snapshot,
} from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { Catalog } from './catalog/catalog.ts';
import { endAt } from './deadline.ts';
import { aggregateFace, discoverResult, serverFace, type Face } from './faces.ts';
import type { Links } from './links.ts';
import type { Door, Identified, Inbound, Next, Permitted } from './pipeline.ts';
import { findServer, selectRoute } from './route.ts';
import { serversOf } from './control/state.ts';

export interface CallParts {
  readonly catalog: Catalog;
  readonly links: Links;
  readonly pipeline: Next;
  readonly clock: Clock;
  readonly version: string;
  readonly callsMax: number;
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

  /** Never rejects for anything that may happen. */
  async run(inbound: Inbound, principal: Principal): Promise<Reply | Fault> {
    if (this.#running.size >= this.#parts.callsMax) {
      return {
        fault: 'overloaded',
        detail: 'Too many calls are under way here; try again soon.',
        retryAfterMs: 1_000,
      };
    }
    this.#running.add(inbound.abort);
    const timer = endAt(inbound.deadlineMs, inbound.abort, this.#parts.clock);
    try {
      return await this.#dispatch(this.#permit({ ...inbound, principal }));
    } finally {
      timer.cancel();
      this.#running.delete(inbound.abort);
    }
  }

  /** What is behind the door, for initialize and server/discover. */
  async face(door: Door, principal: Principal, snapshot: Snapshot): Promise<Face | Fault> {
    if (door.door === 'aggregate')
      return aggregateFace(this.#parts.version, serversOf(snapshot, principal.tenantId));
    const server = findServer(snapshot, principal.tenantId, door.name);
    return isFault(server) ? server : serverFace(server, this.#parts.links);
  }

  #permit(call: Identified): Permitted {
    return { ...call, profile: profileOf(call.principal, call.snapshot) };
  }

  async #dispatch(call: Permitted): Promise<Reply | Fault> {
    const { method } = call.message;
    if (method === 'ping') return { kind: 'result', text: '{}' };
    if (notCarried.has(method) || (call.spoken.era === 'legacy' && modernOnlyMethods.has(method))) {
      return { fault: 'unknown_method', method };
    }
    if (method === 'server/discover') return this.#discover(call);
    const kind = call.door.door === 'aggregate' ? listKindOf(method) : undefined;
    if (kind !== undefined) {
      const text = this.#parts.catalog.list(kind, call.principal.tenantId, call.profile);
      return { kind: 'result', text: call.spoken.era === 'modern' ? modernResult(method, text) : text };
    }
    const routed = selectRoute(call, (server, tool) => this.#parts.catalog.idempotent(server, tool));
    return isFault(routed) ? routed : this.#parts.pipeline(routed);
  }

  async #discover(call: Permitted): Promise<Reply | Fault> {
    const face = await this.face(call.door, call.principal, call.snapshot);
    return isFault(face) ? face : { kind: 'result', text: discoverResult(face) };
  }
}

/** Their notifications and levels belong to one client; upstream sessions here serve several. */
const notCarried: ReadonlySet<string> = new Set([
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);

/** A profile that is gone falls back to the default one, never to none. */
export function profileOf(principal: Principal, snapshot: Snapshot): PolicyProfile {
  return snapshot.profiles.get(principal.profile) ?? snapshot.profiles.get('default') ?? defaultProfile;
}
