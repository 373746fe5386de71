/** The one way a call takes, and how far it has come, as types. */

import type {
  Instance,
  MemberChanges,
  PolicyProfile,
  Principal,
  Reply,
  RequestMessage,
  Server,
  Snapshot,
  Spoken,
  Fault,
} from '@cruvero/core';
import type { TraceContext } from '@cruvero/ports';
import type { Caller } from './callers/caller.ts';
import type { Deadline } from './deadline.ts';
import type { Door } from './door.ts';
import type { ClientSession } from './sessions/client-session.ts';

export interface Inbound {
  readonly door: Door;
  readonly message: RequestMessage;
  readonly spoken: Spoken;
  /** Of a legacy caller; absent for modern ones and for plain REST. */
  readonly session: ClientSession | undefined;
  /** Snapshot read once; the call keeps it though the gateway moves on. */
  readonly snapshot: Snapshot;
  readonly trace: TraceContext | undefined;
  /** Aborted when the caller goes away, the deadline passes, or the gateway gives the call up. */
  readonly abort: AbortController;
  readonly deadline: Deadline;
  readonly caller: Caller;
  /** `Mcp-Param-*` headers as they came, by lower-case name. */
  readonly paramHeaders: Readonly<Record<string, string>> | undefined;
  /** Only this instance may do; its state is in the request. */
  readonly pinnedTo: string | undefined;
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
 * Outermost first; behind balance, for the one instance that it picked, come credential and forward. Retry stands outside balance, so that every attempt picks an instance anew; limit stands outside retry, so
 * that one call costs one token.
 */
export function pipeline(filters: Filters, balance: Next): Next {
  return [filters.measure, filters.limit, filters.retry].reduceRight((next, filter) => filter(next), balance);
}
