/** What callers hand to a link: whose request it is, under which terms, and who answers what the server asks back. */

import type {
  Era,
  Fault,
  JsonObject,
  MemberChanges,
  MetaChanges,
  Params,
  Question,
  Reply,
} from '@cruvero/core';

/** Under which terms a legacy session is opened; callers with the same key share it. */
export interface SessionTerms {
  /** Tenant, principal or client session, capability fingerprint and log level belong in it. */
  readonly key: string;
  /** As declared in `initialize`, in its legacy form. */
  readonly capabilities: JsonObject;
  /** Undefined: the name of this process. */
  readonly clientInfo: JsonObject | undefined;
  /** Set by `logging/setLevel` right after `initialize`, where the server declares logging. */
  readonly logLevel: string | undefined;
  /**
   * At most one request at a time over a session; more callers get sibling sessions, lowest free slot first. A question that
   * comes on a stream shared by all then has one owner.
   */
  readonly exclusive: boolean;
  /** Other replicas use the same session, where the link has a memory; such a session is ended only by `endSession`. */
  readonly shared?: boolean;
}

/**
 * Answers one question of a server. The signal is aborted when nobody waits for the answer any more; `progress` takes the params
 * of notifications about how far the answer is, with the server's own token.
 */
export type AnswerQuestion = (
  question: Question,
  signal: AbortSignal,
  progress: (paramsText: string) => void,
) => Promise<Reply>;

export interface Ask {
  readonly method: string;
  readonly params: Params;
  /** What a legacy server gets instead, where the caller's era has members that the other does not know. */
  readonly legacyParams?: Params | undefined;
  /** The caller's `_meta`, parsed. */
  readonly meta: JsonObject | undefined;
  readonly metaChanges: MetaChanges;
  /** Members of params to put in place of the caller's, such as the tool's own name. */
  readonly changes: MemberChanges;
  /** Of the legacy session that carries the request. */
  readonly terms: SessionTerms;
  /** What the caller can answer when a modern server asks back, by `input_required`. */
  readonly capabilities: JsonObject;
  /** As a modern server shall see it; absent: the name of this process. */
  readonly clientInfo?: JsonObject | undefined;
  /** For a modern server, where the caller's own `_meta` names none. */
  readonly logLevel?: string | undefined;
  /** `mcp-param-…` headers for a modern server, sent as they are. */
  readonly paramHeaders?: Readonly<Record<string, string>> | undefined;
  readonly abort: AbortController;
  readonly onNotification?: ((text: string) => void) | undefined;
  /** The server ended the stream before its answer, to be asked for the rest later (2025-11-25, "Polling"): it takes a while. */
  readonly onPolling?: (() => void) | undefined;
  /** A request of a legacy server in the middle of this call. Absent: the server is told that nobody serves it (-32601). */
  readonly onRequest?: AnswerQuestion | undefined;
  /** Overrides the link's own bound of silence, which does not run while a question is out. */
  readonly timeoutMs?: number | undefined;
  /** Bound of the whole answer; absent: only silence is bounded, and the caller's own deadline. */
  readonly wholeMs?: number | undefined;
}

export interface Answer {
  readonly reply: Reply;
  readonly era: Era;
}

/** Of the link's own requests: the face is read over its session, and lists, which are nobody's call. */
export const linkTerms: SessionTerms = {
  key: 'link',
  capabilities: {},
  clientInfo: undefined,
  logLevel: undefined,
  exclusive: false,
};

export type FeedState =
  | { readonly at: 'open' }
  /** It is tried again by itself. */
  | { readonly at: 'waiting'; readonly fault: Fault }
  /** The server says nothing unasked. A modern one is asked again when its face has aged. */
  | { readonly at: 'unsupported' };

export interface ListenEvents {
  /** Anything the server says outside of calls; a subscription's id is taken off. */
  onNotification(text: string): void;
  /** A legacy server asks outside of any call. */
  onRequest?: AnswerQuestion;
  onState(state: FeedState): void;
  /** It was open, broke and is open again: something may have been missed. */
  onGap(): void;
  /** The instance is gone, and the feed with it: its owner has to listen elsewhere. */
  onOver?(): void;
}

export interface ListenOptions {
  /** For the modern envelope. */
  readonly capabilities?: JsonObject;
}

/** An ear at a server, until it is closed. */
export interface Feed {
  /**
   * Legacy: the server's own reply. Modern: `{}` once the server has acknowledged the URI, an error (-32602) where it does not
   * honour it. Counted: n times subscribed needs n times unsubscribed.
   */
  subscribe(uri: string, abort: AbortController): Promise<Reply | Fault>;
  unsubscribe(uri: string, abort: AbortController): Promise<Reply | Fault>;
  /** Log level of the legacy session from now on, its own reply; `{}` for a modern server, which is told with each request. */
  setLogLevel(level: string, abort: AbortController): Promise<Reply | Fault>;
  /** Idempotent. */
  close(): void;
}
