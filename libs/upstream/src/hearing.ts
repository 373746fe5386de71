/** How a feed listens in one era, and what that tells the feed. */

import type { Era, Fault, Reply } from '@cruvero/core';

/** Why it is over: lost, and to be had again; or the server says nothing unasked. */
export type Over = { readonly over: 'lost'; readonly fault: Fault } | { readonly over: 'unsupported' };

export interface Hearing {
  readonly era: Era;
  /** Listens until it is over or closed; at most once. */
  run(): Promise<Over>;
  subscribe(uri: string, signal: AbortSignal): Promise<Reply | Fault>;
  unsubscribe(uri: string, signal: AbortSignal): Promise<Reply | Fault>;
  setLogLevel(level: string, signal: AbortSignal): Promise<Reply | Fault>;
  close(): void;
}

export interface HearingEvents {
  onNotification(text: string): void;
  /** `missed`: nothing tells what was said while it was not open. */
  onOpen(missed: boolean): void;
  onWaiting(fault: Fault): void;
  /** For as long as it goes on. */
  onUnsupported(): void;
}

export const nothing: Reply = { kind: 'result', text: '{}' };
