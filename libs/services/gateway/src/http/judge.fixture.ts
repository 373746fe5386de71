/** What a bad request must be answered, and the headers of a good one. */

import assert from 'node:assert/strict';
import type { ProbeResponse } from '@cruvero/testkit';
import { keys } from '../gateway.fixture.ts';

export interface Expected {
  readonly status: number;
  readonly code: number;
  readonly says: RegExp;
  readonly id?: unknown;
}

export function judge(response: ProbeResponse, { status, code, says, id }: Expected): void {
  assert.equal(response.status, status, response.body);
  assert.equal(response.header('content-type'), 'application/json');
  const message = response.json() as {
    jsonrpc: string;
    id: unknown;
    error: { code: number; message: string };
  };
  assert.equal(message.jsonrpc, '2.0');
  assert.equal(message.error.code, code, response.body);
  assert.match(message.error.message, says);
  assert.match(message.error.message, /[.)]$/, 'a whole sentence');
  if (id !== undefined) assert.equal(message.id, id);
  assert.ok(!response.body.includes('cmk_'), 'a key was repeated');
}

export const json: readonly [string, string] = ['content-type', 'application/json'];
export const both: readonly [string, string] = ['accept', 'application/json, text/event-stream'];
export const key: readonly [string, string] = ['authorization', `Bearer ${keys.alice}`];
export const version: readonly [string, string] = ['mcp-protocol-version', '2025-11-25'];
export const plain = [json, both, key];

export const request = (over: object = {}): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', ...over });
export const envelope = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};
export const modern = (method = 'tools/list'): readonly (readonly [string, string])[] => [
  ...plain,
  ['mcp-protocol-version', '2026-07-28'],
  ['mcp-method', method],
];
