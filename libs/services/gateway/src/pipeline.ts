/** The one way a call takes, and how far it has come, as types. */

import type {
  Instance,
  JsonObject,
  MemberChanges,
  PolicyProfile,
  Principal,
  Reply,
  RequestMessage,
  Server,
  ServerName,
  Snapshot,
  Spoken,
  Fault,
} from '@cruvero/core';
import type { TraceContext } from '@cruvero/ports';

/** Which door the call came through. */
export type Door =
  /** All servers of the tenant, names carry the server. */
  | { readonly door: 'aggregate' }
  /** One server, everything under its own name. */
  | { readonly door: 'server'; readonly name: ServerName };

export interface Inbound {
  readonly door: Door;
  readonly message: RequestMessage;
  readonly spoken: Spoken;
  /** Read once; the call keeps it though the gateway moves on. */
  readonly snapshot: Snapshot;
  readonly trace: TraceContext | undefined;
  /** Aborted when the caller goes away, the deadline passes, or the gateway gives the call up. */
  readonly abort: AbortController;
  readonly deadlineMs: number;
  /** Hands a notification about this call to its caller; dropped where the caller takes no stream. */
  readonly notify: (text: string) => void;
}

export type Identified = Inbound & { readonly principal: Principal };

export type Permitted = Identified & { readonly profile: PolicyProfile };

export type Routed = Permitted & {
  readonly server: Server;
  /** Name for metrics and errors: tool, prompt, resource URI, or the method itself. */
  readonly target: string;
  /** Params to change on the way up, such as the tool's own name. */
  readonly changes: MemberChanges;
  /** May be executed twice without harm. */
  readonly idempotent: boolean;
  readonly capabilities: JsonObject;
};

export type Next = (call: Routed) => Promise<Reply | Fault>;
export type Filter = (next: Next) => Next;

/** One attempt at one instance. */
export type Forward = (call: Routed, instance: Instance) => Promise<Reply | Fault>;

export interface Filters {
  readonly measure: Filter;
  readonly limit: Filter;
  readonly retry: Filter;
}

/**
 * Outermost first. Retry stands outside balance, so that every attempt picks an instance anew; limit stands outside retry, so
 * that one call costs one token.
 */
export function pipeline(filters: Filters, balance: Next): Next {
  return [filters.measure, filters.limit, filters.retry].reduceRight((next, filter) => filter(next), balance);
}
