/** One server as a client sees it, directly or through a gateway: asked in the server's own words, answered in them too. */

import {
  exposedName,
  exposedUri,
  isJsonObject,
  type Json,
  type JsonObject,
  type ServerName,
} from '@cruvero/core';
import type { ClientKind, StoryClient } from './clients.fixture.ts';

/** A result, or an error as its server worded it. */
export type Outcome =
  | { readonly result: Json }
  | { readonly error: { readonly code: number; readonly message: string; readonly data: Json } };

export interface View {
  readonly name: string;
  readonly client: StoryClient;
  ask(method: string, params: JsonObject): Promise<Outcome>;
  /** Every item of a list; rejects with the error. */
  list(kind: Parameters<StoryClient['list']>[0]): Promise<readonly Json[]>;
}

/** Members that 2026-07-28 asks of results and earlier versions do not know; a gateway adds and takes them away. */
const modernMembers: ReadonlySet<string> = new Set(['resultType', 'ttlMs', 'cacheScope']);
const modernMeta = 'io.modelcontextprotocol/serverInfo';

/** The outcome without what belongs to one era only: what is left is the same in both. */
export function withoutEra(outcome: Outcome): Outcome {
  if ('error' in outcome || !isJsonObject(outcome.result)) return outcome;
  const { _meta: meta, ...members } = outcome.result;
  const kept = Object.entries(isJsonObject(meta) ? meta : {}).filter(([name]) => name !== modernMeta);
  return {
    result: {
      ...Object.fromEntries(Object.entries(members).filter(([name]) => !modernMembers.has(name))),
      ...(kept.length === 0 ? {} : { _meta: Object.fromEntries(kept) }),
    },
  };
}

const uuid = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g;

/** Times of day, and ids that the server makes up, are the only things in which two answers may differ. */
export function timeless<Value>(value: Value): Value {
  const text = JSON.stringify(value, (key, inner: unknown) => {
    const isBlob = key === 'blob' && typeof inner === 'string' && inner.length < 1_000;
    return isBlob ? Buffer.from(inner, 'base64').toString() : inner;
  });
  const without = text.replace(/\d{1,2}:\d{2}:\d{2}(\.\d+)?( ?[AP]M)?/g, 'hh:mm:ss').replace(uuid, 'uuid');
  return JSON.parse(without) as Value;
}

/** Both SDKs wrap the error that came; v1 puts its code in front of the message. */
export function errorOf(thrown: unknown, client: { readonly kind: ClientKind }): Outcome {
  const { code, message = '', data = null } = thrown as { code?: unknown; message?: string; data?: Json };
  if (typeof code !== 'number') throw thrown;
  const said = client.kind === 'legacy' ? message.replace(/^MCP error -?\d+: /, '') : message;
  return { error: { code, message: said, data } };
}

async function outcome(client: StoryClient, method: string, params: JsonObject): Promise<Outcome> {
  try {
    return { result: await client.ask(method, params) };
  } catch (thrown) {
    return errorOf(thrown, client);
  }
}

/** The server's own words on both sides: a direct connection, or the server's own door. */
export function plainView(name: string, client: StoryClient): View {
  return {
    name,
    client,
    ask: (method, params) => outcome(client, method, params),
    list: (kind) => client.list(kind),
  };
}

/** The aggregate: names and URIs are put into its words, and those that come back into the server's. */
export function aggregateView(name: string, client: StoryClient, server: ServerName): View {
  const isMine = (item: JsonObject): boolean => {
    const { name: exposed, uri = item['uriTemplate'] } = item;
    const mine = String(uri ?? exposed);
    return mine.startsWith(exposedUri(server, '')) || mine.startsWith(exposedName(server, ''));
  };
  return {
    name,
    client,
    ask: async (method, params) =>
      ownWords(await outcome(client, method, exposed(params, server)), server) as Outcome,
    list: async (kind) => (await client.list(kind)).filter(isMine).map((item) => ownItem(item, server)),
  };
}

function exposed(params: JsonObject, server: ServerName): JsonObject {
  const { name, uri, ref } = params;
  return {
    ...params,
    ...(typeof name === 'string' ? { name: exposedName(server, name) } : {}),
    ...(typeof uri === 'string' ? { uri: exposedUri(server, uri) } : {}),
    ...(isJsonObject(ref) ? { ref: exposed(ref, server) } : {}),
  };
}

/** What does not lead back through the aggregate is marked, so that it equals nothing. */
const cut = (text: string, prefix: string): string =>
  text.startsWith(prefix) ? text.slice(prefix.length) : `without its server: ${text}`;

/** What has a URI is known by it, and keeps its name. */
function ownItem(item: JsonObject, server: ServerName): Json {
  const own = ownWords(item, server) as JsonObject;
  const { name, uri = own['uriTemplate'] } = own;
  return typeof name === 'string' && uri === undefined
    ? { ...own, name: cut(name, exposedName(server, '')) }
    : own;
}

/** URIs stand at known members only; anything else that a gateway had changed would stay changed, and be found. */
function ownWords(value: unknown, server: ServerName): Json {
  if (Array.isArray(value)) return value.map((each) => ownWords(each, server));
  if (typeof value !== 'object' || value === null) return value as Json;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const isUri = (key === 'uri' || key === 'uriTemplate') && typeof inner === 'string';
      return [key, isUri ? cut(inner, exposedUri(server, '')) : ownWords(inner, server)];
    }),
  );
}
