/** One modern JSON-RPC request over plain HTTP: what the SDK would refuse to send or to show. */

import { setTimeout as sleep } from 'node:timers/promises';
import { isJsonObject, modernLatest, parseJsonObject, type JsonObject } from '@cruvero/core';

const requestMsMax = 20_000;
const lookEveryMs = 100;

const meta = {
  'io.modelcontextprotocol/protocolVersion': modernLatest,
  'io.modelcontextprotocol/clientInfo': { name: 'cruvero-conformance', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** The answer's `result`. @throws for an error, with what was answered. */
export async function modernRequest(
  url: string,
  method: string,
  params: JsonObject = {},
): Promise<JsonObject> {
  const name = params['name'] ?? params['uri'];
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': modernLatest,
      'mcp-method': method,
      ...(typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } }),
    signal: AbortSignal.timeout(requestMsMax),
  });
  const text = await response.text();
  const result = parseJsonObject(text.startsWith('{') ? text : lastEvent(text))?.['result'];
  if (isJsonObject(result)) return result;
  throw new Error(`${method} was answered ${response.status} ${text.slice(0, 500)}`);
}

function lastEvent(stream: string): string {
  const data = stream.split('\n').filter((line) => line.startsWith('data: '));
  return data.at(-1)?.slice('data: '.length) ?? '';
}

/** True as soon as the endpoint lists a tool; false when it does not in time. */
export async function untilListed(url: string, withinMs: number): Promise<boolean> {
  const untilMs = performance.now() + withinMs;
  while (performance.now() < untilMs) {
    const { tools } = await modernRequest(url, 'tools/list').catch((): JsonObject => ({}));
    if (Array.isArray(tools) && tools.length > 0) return true;
    await sleep(lookEveryMs);
  }
  return false;
}
