/** Official SDK clients that answer what a server asks in the middle of a call, and remember what they were asked. */

import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from '@modelcontextprotocol/client';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as TransportV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { isJsonObject, modernLatest, type Json, type JsonObject } from '@cruvero/core';

export type DialogueKind =
  /** `@modelcontextprotocol/sdk`. */
  | 'v1'
  /** `@modelcontextprotocol/client`, with `initialize`. */
  | 'v2 legacy'
  /** The same, 2026-07-28 or nothing. */
  | 'v2 modern';
export const dialogueKinds: readonly DialogueKind[] = ['v1', 'v2 legacy', 'v2 modern'];

export interface Asked {
  readonly method: string;
  readonly params: JsonObject;
}

export interface DialogueClient extends AsyncDisposable {
  readonly kind: DialogueKind;
  /** Everything it was asked, in order. */
  readonly asked: readonly Asked[];
  /** How often it was told that tools changed. */
  told(): number;
  /** Undefined in the modern era. */
  sessionId(): string | undefined;
  /** Asks to be told of changes; a legacy client does so by itself. */
  listen(): Promise<void>;
  /** Rejects with the SDK's error. */
  call(name: string, args: JsonObject): Promise<JsonObject>;
}

const info = { name: 'e2e-dialogue', version: '1.0.0' };
const capabilities = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };

export const sampled = {
  role: 'assistant',
  model: 'e2e-model',
  content: { type: 'text', text: 'a completion' },
} as const;
export const roots = { roots: [{ uri: 'file:///home/ada', name: 'home of Ada' }] };

/** A page is opened; a form gets what it requires. */
export function elicited(params: JsonObject): {
  readonly action: 'accept';
  readonly content?: Record<string, string | boolean>;
} {
  if (params['mode'] === 'url') return { action: 'accept' };
  const schema = isJsonObject(params['requestedSchema']) ? params['requestedSchema'] : {};
  const properties = isJsonObject(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required'])
    ? (schema['required'] as readonly Json[]).map(String)
    : [];
  const value = (name: string): string | boolean => {
    const property = properties[name];
    return isJsonObject(property) && property['type'] === 'boolean' ? true : `Ada's ${name}`;
  };
  return { action: 'accept', content: Object.fromEntries(required.map((name) => [name, value(name)])) };
}

const plain = (params: unknown): JsonObject => JSON.parse(JSON.stringify(params ?? {})) as JsonObject;

type Fetch = (input: string | URL, init?: RequestInit) => Promise<Response>;

export function connectDialogue(
  kind: DialogueKind,
  url: URL,
  key: string,
  own: Fetch = fetch,
): Promise<DialogueClient> {
  const options = {
    requestInit: { headers: { authorization: `Bearer ${key}` } },
    fetch: own,
    // A broken stream is opened again at once.
    reconnectionOptions: {
      initialReconnectionDelay: 50,
      maxReconnectionDelay: 200,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 100,
    },
  };
  return kind === 'v1' ? connectV1(url, options) : connectV2(kind, url, options);
}

type Options = NonNullable<ConstructorParameters<typeof TransportV1>[1]>;

async function connectV1(url: URL, options: Options): Promise<DialogueClient> {
  const asked: Asked[] = [];
  const client = new ClientV1(info, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, ({ method, params }) => {
    asked.push({ method, params: plain(params) });
    return elicited(plain(params));
  });
  client.setRequestHandler(CreateMessageRequestSchema, ({ method, params }) => {
    asked.push({ method, params: plain(params) });
    return sampled;
  });
  client.setRequestHandler(ListRootsRequestSchema, ({ method, params }) => {
    asked.push({ method, params: plain(params) });
    return roots;
  });
  let told = 0;
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => void (told += 1));
  const transport = new TransportV1(url, options);
  // The SDK's own types disagree under exactOptionalPropertyTypes.
  await client.connect(transport as Parameters<ClientV1['connect']>[0]);
  return {
    kind: 'v1',
    asked,
    told: () => told,
    sessionId: () => transport.sessionId,
    listen: async () => undefined,
    call: async (name, args) => plain(await client.callTool({ name, arguments: args })),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function connectV2(
  kind: 'v2 legacy' | 'v2 modern',
  url: URL,
  options: Options,
): Promise<DialogueClient> {
  const asked: Asked[] = [];
  const mode = kind === 'v2 modern' ? { pin: modernLatest } : 'legacy';
  const client = new ClientV2(info, { capabilities, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', ({ method, params }) => {
    asked.push({ method, params: plain(params) });
    return elicited(plain(params));
  });
  client.setRequestHandler('sampling/createMessage', ({ method, params }) => {
    asked.push({ method, params: plain(params) });
    return sampled;
  });
  client.setRequestHandler('roots/list', ({ method, params }) => {
    asked.push({ method, params: plain(params) });
    return roots;
  });
  let told = 0;
  client.setNotificationHandler('notifications/tools/list_changed', () => void (told += 1));
  const transport = new TransportV2(url, options);
  await client.connect(transport);
  return {
    kind,
    asked,
    told: () => told,
    sessionId: () => transport.sessionId,
    listen: async () => void (kind === 'v2 modern' && (await client.listen({ toolsListChanged: true }))),
    call: async (name, args) => plain(await client.callTool({ name, arguments: { ...args } })),
    [Symbol.asyncDispose]: () => client.close(),
  };
}
