/** How bad input is written down in tables, and how its answer is judged. */

import assert from 'node:assert/strict';
import { modernLatest, type JsonObject } from '@cruvero/core';
import { probe, type ProbeRequest, type ProbeResponse } from '@cruvero/testkit';
import type { Layout } from './layout.fixture.ts';

/** Of what a case may make use: the layout, and a legacy session on the aggregate. */
export interface Scene {
  readonly layout: Layout;
  readonly sessionId: string;
}

export interface BadInput {
  readonly name: string;
  readonly at?: 'gateway' | 'registry';
  readonly send: (scene: Scene) => ProbeRequest;
  readonly status: number;
  /** JSON-RPC number, or the word that REST says. */
  readonly code: number | string;
  /** What the sentence must say to be of help. */
  readonly says: RegExp;
  /** The JSON-RPC id that must come back; `null` unless said. */
  readonly id?: number;
  /** A header that must be there. */
  readonly header?: readonly [name: string, value: RegExp];
  /** The answer is the server's own, in its own words. */
  readonly fromServer?: true;
  /** Members of `error.data`. */
  readonly data?: JsonObject;
}

export type Headers = Readonly<Record<string, string | null>>;

/** Header lines; `null` takes one away that would be there. */
const lines = (headers: Headers): [string, string][] =>
  Object.entries(headers).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as [string, string]],
  );

const both = 'application/json, text/event-stream';
export const agent = ({ layout }: Scene): Headers => ({ authorization: `Bearer ${layout.agentKey}` });
export const admin = ({ layout }: Scene): Headers => ({ 'x-api-key': layout.adminKey });

/** Any body to an MCP door, with the headers of an ordinary client. */
export function post(
  scene: Scene,
  path: string,
  body: string | Uint8Array,
  headers: Headers = {},
): ProbeRequest {
  const plain = { 'content-type': 'application/json', accept: both, ...agent(scene) };
  return { method: 'POST', path, body, headers: lines({ ...plain, ...headers }) };
}

export const envelope = {
  'io.modelcontextprotocol/protocolVersion': modernLatest,
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** A modern request (id 1) that is right but for what is changed: `params` over the envelope, `headers` over those that mirror it. */
export function modern(
  scene: Scene,
  path: string,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  headers: Headers = {},
): ProbeRequest {
  const body = { jsonrpc: '2.0', id: 1, method, params: { _meta: envelope, ...params } };
  const name = params['name'] ?? params['uri'];
  const mirror = {
    'mcp-protocol-version': modernLatest,
    'mcp-method': method,
    ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
  };
  return post(scene, path, JSON.stringify(body), { ...mirror, ...headers });
}

/** A legacy request (id 1) of the scene's session on the aggregate. */
export function legacy(
  scene: Scene,
  method: string,
  params: unknown = {},
  headers: Headers = {},
  path = '/mcp',
): ProbeRequest {
  const body = { jsonrpc: '2.0', id: 1, method, ...(params === undefined ? {} : { params }) };
  const session = { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': scene.sessionId };
  return post(scene, path, JSON.stringify(body), { ...session, ...headers });
}

export function rest(
  method: string,
  path: string,
  headers: Headers = {},
  body?: string | Uint8Array,
): ProbeRequest {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return { method, path, headers: lines({ ...type, ...headers }), ...(body === undefined ? {} : { body }) };
}

/** Words of the inside that help nobody outside. */
const inside = /node_modules|\n\s+at |\.ts:\d+|ECONN|zod|Error:/;

export async function assertRefused(scene: Scene, bad: BadInput): Promise<void> {
  const { layout } = scene;
  const url = bad.at === 'registry' ? layout.registryUrl : layout.url;
  const answer = await probe(url, bad.send(scene));
  const said = `${answer.status} ${answer.body.slice(0, 500)}`;
  assert.equal(answer.status, bad.status, said);
  const error = errorIn(answer);
  assert.equal(error.code, bad.code, said);
  assert.match(error.message, bad.says);
  if (bad.fromServer !== true) assert.match(error.message, /\.$/, 'it is a sentence');
  assert.doesNotMatch(answer.body, inside, 'nothing of the inside is shown');
  if (typeof bad.code === 'number') assertEnvelope(answer, bad.id ?? null);
  if (bad.header) assert.match(answer.header(bad.header[0]) ?? 'none', bad.header[1]);
  for (const [name, value] of Object.entries(bad.data ?? {})) assert.deepEqual(error.data?.[name], value);
}

interface ErrorSaid {
  readonly code: number | string;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

function errorIn(answer: ProbeResponse): ErrorSaid {
  assert.match(answer.header('content-type') ?? 'none', /^application\/json/);
  const { error } = answer.json() as { readonly error?: ErrorSaid };
  return error ?? assert.fail(`no error in ${answer.body}`);
}

function assertEnvelope(answer: ProbeResponse, id: number | null): void {
  const { jsonrpc, id: own } = answer.json() as { readonly jsonrpc?: unknown; readonly id?: unknown };
  assert.deepEqual([jsonrpc, own], ['2.0', id]);
}
