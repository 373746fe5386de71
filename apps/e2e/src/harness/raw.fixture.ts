/** One JSON-RPC request over plain HTTP, without any SDK: what went out and what came back, to the letter. */

import { modernLatest, type JsonObject } from '@cruvero/core';

export interface Reach {
  readonly url: string;
  readonly agentKey: string;
}

export interface RawAnswer {
  readonly status: number;
  readonly result: JsonObject | undefined;
  readonly error: { readonly code: number; readonly message: string } | undefined;
}

const meta = {
  'io.modelcontextprotocol/protocolVersion': modernLatest,
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** In the modern era: no session, one exchange. `params._meta` is added to the envelope. */
export async function rawRequest(
  { url, agentKey }: Reach,
  method: string,
  params: JsonObject = {},
  path = '/mcp',
): Promise<RawAnswer> {
  const name = params['name'] ?? params['uri'];
  const given = params['_meta'];
  const envelope = typeof given === 'object' ? { ...given, ...meta } : meta;
  const response = await fetch(url + path, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${agentKey}`,
      'mcp-protocol-version': modernLatest,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: envelope } }),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await response.text();
  const body = JSON.parse(text.startsWith('{') ? text : lastEvent(text)) as Partial<RawAnswer>;
  return { status: response.status, result: body.result, error: body.error };
}

/** The last message of an answer that came as an event stream. */
function lastEvent(stream: string): string {
  const events = stream.split('\n').filter((line) => line.startsWith('data: '));
  return events.at(-1)?.slice('data: '.length) ?? '{}';
}

export async function rawCall(reach: Reach, name: string, args: JsonObject = {}): Promise<RawAnswer> {
  return rawRequest(reach, 'tools/call', { name, arguments: args });
}

/** Names of the tools on the aggregate. */
export async function toolNames(reach: Reach): Promise<readonly string[]> {
  const { result, error } = await rawRequest(reach, 'tools/list');
  if (!result) throw new Error(`tools/list failed: ${error?.message ?? 'no error said'}`);
  return (result['tools'] as readonly { readonly name: string }[]).map(({ name }) => name);
}

/** Servers of which the aggregate lists a tool. */
export async function listedServers(reach: Reach): Promise<ReadonlySet<string>> {
  return new Set((await toolNames(reach)).map((name) => name.split('.')[1] ?? ''));
}
