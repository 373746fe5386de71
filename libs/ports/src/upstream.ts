/** One way to reach an MCP server: every transport looks like Streamable HTTP from here. */

import type { Transport } from '@cruvero/core';

export interface UpstreamRequest {
  readonly httpMethod: 'POST' | 'GET' | 'DELETE';
  /** Absolute URL, or `inproc://…` for a child of this process. */
  readonly endpoint: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Abort closes the exchange at once, also while the body streams. */
  readonly signal: AbortSignal;
  /** For the head of the answer; bodies that stream are bounded by `signal`. */
  readonly timeoutMs: number;
  /** For the whole body, or for one event of a stream. */
  readonly bytesMax: number;
}

export type UpstreamBody =
  /** `pieces` are the same as UTF-8, where a large text was not made yet: reading `text` makes it. */
  | { readonly kind: 'text'; readonly text: string; readonly pieces?: readonly Uint8Array[] }
  /** Decoded text as it comes, cut anywhere. Rejects with UpstreamBroken when the stream ends badly. */
  | { readonly kind: 'stream'; readonly chunks: AsyncIterable<string> };

export interface UpstreamResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** `stream` exactly when the content type is text/event-stream. */
  readonly body: UpstreamBody;
}

export interface UpstreamFault {
  readonly fault: 'unreachable' | 'timeout' | 'broken' | 'too_large' | 'aborted' | 'refused_address';
  readonly detail: string;
  /** The request certainly did not reach the server: it may be sent again. */
  readonly neverLeft: boolean;
}

/** Thrown by a body stream that cannot go on. */
export class UpstreamBroken extends Error {
  override readonly name = 'UpstreamBroken';
}

export interface Upstream {
  /** Never rejects: what may happen is a fault. */
  exchange(request: UpstreamRequest): Promise<UpstreamResponse | UpstreamFault>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The adapter for each transport that this process can speak. */
export type Upstreams = Readonly<Partial<Record<Transport, Upstream>>>;

export function isUpstreamFault(value: UpstreamResponse | UpstreamFault): value is UpstreamFault {
  return 'fault' in value;
}
