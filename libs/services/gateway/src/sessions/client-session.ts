/** One client's legacy session: what was agreed at initialize, and what is under way in it on this replica. */

import type { JsonObject, Principal, Reply } from '@cruvero/core';
import type { Feed } from '@cruvero/upstream';
import type { Door } from '../door.ts';
import type { EventLog } from './event-log.ts';

/** Agreed at initialize; sealed into the session's id. */
export interface SessionFacts {
  readonly principal: Principal;
  readonly door: Door;
  /** Negotiated protocol version. */
  readonly version: string;
  readonly clientCapabilities: JsonObject;
  readonly clientInfo: JsonObject;
}

/** The session's own event stream, if its client opened one. */
export interface SessionStream {
  /** False: the client is gone, or does not read. */
  send(text: string): boolean;
  end(): void;
}

/** A question that was put to the client. */
export interface OpenQuestion {
  readonly answer: (reply: Reply) => void;
  /** The client says how far it is: params of its notification. Absent where the server did not ask for that. */
  readonly progress?: ((paramsText: string) => void) | undefined;
}

/** What replicas tell one another of a session while it lives. */
export type SessionChange =
  | { readonly change: 'used'; readonly atMs: number }
  | { readonly change: 'level'; readonly atMs: number; readonly level: string }
  | { readonly change: 'watched' | 'unwatched'; readonly uri: string };

/** What few sessions have at a time; an idle one carries none of it. */
export interface SessionWork {
  /** Calls under way by their id as spelled: the client can cancel one, and cannot use an id twice at once. */
  readonly running: Map<string, AbortController>;
  /** Questions under way by the id that they were given, as JSON text. */
  readonly questions: Map<string, OpenQuestion>;
  /** What is listened to at servers for this session, by server. */
  readonly feeds: Map<string, Feed>;
  /** Resource URIs that the client subscribed to, as the client names them. */
  readonly uris: Set<string>;
  /** Those of them that this replica itself subscribed to at their servers. */
  readonly subscribed: Set<string>;
  /** Servers that were called, whatever came of it: each may hold a session for this one. */
  readonly called: Set<string>;
  /** Servers that answered, with the instance that serves this session there. */
  readonly instances: Map<string, string>;
}

export class ClientSession {
  readonly id: string;
  /** Short name of the session, the same on every replica; never shown to clients. */
  readonly uid: string;
  readonly facts: SessionFacts;
  readonly openedAtMs: number;
  /** By any replica, as far as it is known here. */
  usedAtMs: number;
  /** When the other replicas last heard that it is used. */
  sharedAtMs: number;
  /** Severity that the client asked for by logging/setLevel. */
  logLevel: string | undefined;
  logLevelAtMs = 0;
  stream: SessionStream | undefined;
  /** Events that a client may ask for again after its connection broke. */
  events: EventLog | undefined;
  #work: SessionWork | undefined;

  constructor(id: string, uid: string, facts: SessionFacts, openedAtMs: number, usedAtMs = openedAtMs) {
    this.id = id;
    this.uid = uid;
    this.facts = facts;
    this.openedAtMs = openedAtMs;
    this.usedAtMs = usedAtMs;
    this.sharedAtMs = usedAtMs;
  }

  /** Made on first need. */
  work(): SessionWork {
    this.#work ??= {
      running: new Map(),
      questions: new Map(),
      feeds: new Map(),
      uris: new Set(),
      subscribed: new Set(),
      called: new Set(),
      instances: new Map(),
    };
    return this.#work;
  }

  /** What is there of it, without making it. */
  workIfAny(): SessionWork | undefined {
    return this.#work;
  }

  /** Used by its client right now, so not idle. */
  isBusy(): boolean {
    return this.stream !== undefined || (this.#work !== undefined && this.#work.running.size > 0);
  }

  /** Ends everything under way. Idempotent. */
  close(): void {
    this.stream?.end();
    this.stream = undefined;
    const work = this.#work;
    this.#work = undefined;
    if (!work) return;
    for (const abort of work.running.values()) abort.abort();
    for (const question of work.questions.values()) question.answer(sessionEnded);
    for (const feed of work.feeds.values()) feed.close();
  }
}

const sessionEnded: Reply = {
  kind: 'error',
  code: -32000,
  text: '{"code":-32000,"message":"The client ended its session."}',
};
