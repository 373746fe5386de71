/** A caller of 2026-07-28: every request stands for itself. */

import { encodeHeaderValue, modernLatest, type Json, type JsonObject } from '@cruvero/core';
import { Incoming, type Outgoing } from './incoming.ts';

export interface ModernOptions {
  /** Who calls. */
  readonly credentials: Readonly<Record<string, string>>;
  readonly id?: Json;
  readonly capabilities?: JsonObject;
  readonly progressToken?: Json;
  readonly logLevel?: string;
  /** Members of `_meta` besides. */
  readonly meta?: JsonObject;
  /** Over those that mirror the body; `null` takes one away. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Text of `arguments`, instead of those in the params. */
  readonly argumentsText?: string;
}

/** Everything that a client can be asked. */
export const answersAll: JsonObject = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };

const prefix = 'io.modelcontextprotocol/';
const nameMembers: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** The request as it goes out. */
export function modernRequest(
  url: string,
  method: string,
  params: JsonObject,
  options: ModernOptions,
): Outgoing {
  const { id = 1, capabilities = {}, progressToken, logLevel } = options;
  const meta = {
    [`${prefix}protocolVersion`]: modernLatest,
    [`${prefix}clientCapabilities`]: capabilities,
    [`${prefix}clientInfo`]: { name: 'intermediary-suite', version: '1.0.0' },
    ...(progressToken === undefined ? {} : { progressToken }),
    ...(logLevel === undefined ? {} : { [`${prefix}logLevel`]: logLevel }),
    ...options.meta,
  };
  const name = params[nameMembers[method] ?? ''];
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': modernLatest,
    'mcp-method': method,
    ...(typeof name === 'string' ? { 'mcp-name': encodeHeaderValue(name) } : {}),
    ...options.credentials,
    ...options.headers,
  };
  const marked = options.argumentsText === undefined ? params : { ...params, arguments: marker };
  const body = JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...marked, _meta: { ...meta } } });
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== null);
  return {
    url,
    headers: Object.fromEntries(given),
    body:
      options.argumentsText === undefined
        ? body
        : body.replace(JSON.stringify(marker), () => options.argumentsText ?? ''),
  };
}

const marker = 'the arguments stand here';

/** Resolves when the answer has begun. */
export const modernOpen = (
  url: string,
  method: string,
  params: JsonObject,
  options: ModernOptions,
): Promise<Incoming> => Incoming.open(modernRequest(url, method, params, options));

export interface ModernReply {
  readonly status: number;
  /** The whole answering message. */
  readonly message: JsonObject;
  readonly incoming: Incoming;
}

/** Waits for the whole answer, result or error. */
export async function modernAsk(
  url: string,
  method: string,
  params: JsonObject,
  options: ModernOptions,
): Promise<ModernReply> {
  const incoming = await modernOpen(url, method, params, options);
  const message = await incoming.final();
  await incoming.end();
  return { status: incoming.status, message, incoming };
}
