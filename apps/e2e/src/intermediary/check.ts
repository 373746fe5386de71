/** One thing that a gateway must hold, and the scene on which it is looked at. */

import assert from 'node:assert/strict';
import type { Json, JsonObject } from '@cruvero/core';
import { LegacyClient, type LegacyOptions } from './client/legacy.ts';
import type { Incoming } from './client/incoming.ts';
import { modernAsk, modernOpen, type ModernOptions, type ModernReply } from './client/modern.ts';
import { answerTo } from './client/answers.ts';
import type { Credentials, Need, ServerKind, Target } from './target.ts';
import type { Upstream } from './upstream/server.ts';

export interface Check {
  readonly name: string;
  readonly needs?: readonly Need[];
  /** It mostly waits: begun first, and others run meanwhile. */
  readonly waits?: true;
  /** @throws where the gateway does not hold it. */
  run(scene: Scene): Promise<void>;
}

export interface Group {
  readonly title: string;
  readonly checks: readonly Check[];
  /** Leaves the gateway other than it was: after everything else. */
  readonly last?: true;
}

/** What a request may say besides; who calls is the owner unless said. */
export type Over = Partial<ModernOptions> & { readonly replica?: number };

export class Scene {
  readonly target: Target;
  readonly upstream: Upstream;
  /** A word that stands in this check's calls and in no others. */
  readonly tag: string;

  constructor(target: Target, upstream: Upstream, tag: string) {
    this.target = target;
    this.upstream = upstream;
    this.tag = tag;
  }

  get hearing(): Upstream['hearing'] {
    return this.upstream.hearing;
  }

  get owner(): Credentials {
    return this.target.owner;
  }

  get other(): Credentials {
    return this.target.other ?? assert.fail('there is no other principal');
  }

  /** The endpoint of one of the suite's servers. */
  door(kind: ServerKind, replica = 0): string {
    const { target } = this;
    const origin = target.origins[replica % target.origins.length] ?? assert.fail('there is no gateway');
    return target.door(origin, target.servers[kind] ?? assert.fail(`${kind} is not there`));
  }

  aggregate(replica = 0): string {
    const { target } = this;
    const origin = target.origins[replica % target.origins.length] ?? assert.fail('there is no gateway');
    return target.aggregate?.url(origin) ?? assert.fail('there is no aggregate');
  }

  /** How something of a server is called on the aggregate. */
  named(kind: ServerKind, own: string): string {
    return this.target.aggregate?.name(this.target.servers[kind] ?? '', own) ?? own;
  }

  /** One modern request to its answer. */
  modern(url: string, method: string, params: JsonObject = {}, over: Over = {}): Promise<ModernReply> {
    return modernAsk(url, method, params, { credentials: this.owner, ...over });
  }

  /** One modern request whose answer has begun. */
  modernOpen(url: string, method: string, params: JsonObject = {}, over: Over = {}): Promise<Incoming> {
    return modernOpen(url, method, params, { credentials: this.owner, ...over });
  }

  /** Calls a tool at a server's door with this check's word among its arguments. */
  call(kind: ServerKind, tool: string, args: JsonObject = {}, over: Over = {}): Promise<ModernReply> {
    return this.modern(this.door(kind, over.replica), 'tools/call', this.toolParams(tool, args), over);
  }

  callOpen(kind: ServerKind, tool: string, args: JsonObject = {}, over: Over = {}): Promise<Incoming> {
    return this.modernOpen(this.door(kind, over.replica), 'tools/call', this.toolParams(tool, args), over);
  }

  toolParams(name: string, args: JsonObject = {}): JsonObject & { readonly name: string } {
    return { name, arguments: { tag: this.tag, ...args } };
  }

  /** A session that answers everything with this check's word. */
  legacy(url: string, over: Partial<LegacyOptions> = {}): Promise<LegacyClient> {
    const answer = (method: string, params: Json): JsonObject => answerTo(this.tag, method, params);
    return LegacyClient.open(url, { credentials: this.owner, answer, ...over });
  }
}

/** The result of an answer. @throws where it is an error, with what was said. */
export function resultOf({
  status,
  message,
}: {
  readonly status: number;
  readonly message: JsonObject;
}): JsonObject {
  const { result, error } = message;
  assert.ok(result !== undefined, `an error came: ${status} ${JSON.stringify(error)}`);
  return result as JsonObject;
}

/** Fails unless the answer is an error of this code; where a status is given, with that. */
export function assertError(
  { status, message }: { readonly status: number; readonly message: JsonObject },
  code: number,
  httpStatus?: number,
): JsonObject {
  const said = `${status} ${JSON.stringify(message).slice(0, 400)}`;
  const error = message['error'] as JsonObject | undefined;
  assert.equal(error?.['code'], code, said);
  if (httpStatus !== undefined) assert.equal(status, httpStatus, said);
  return error ?? {};
}

export const structured = (result: JsonObject): JsonObject =>
  (result['structuredContent'] ?? {}) as JsonObject;

/** A result that says nothing but this check's word. */
export function assertTagged(
  reply: { readonly status: number; readonly message: JsonObject },
  tag: string,
): void {
  assert.equal(structured(resultOf(reply))['tag'], tag, JSON.stringify(reply.message).slice(0, 400));
}
