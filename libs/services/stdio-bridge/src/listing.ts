/** What a child offers, as it is announced: its tools from all pages, its capabilities, and a hash of both. */

import { createHash } from 'node:crypto';
import { toolsMax } from '@cruvero/contracts';
import { parseJsonObject, readListPage, type Json, type JsonObject } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { BridgeBounds } from './bounds.ts';
import type { Conversation } from './conversation.ts';
import { ownEnvelope, type ChildFace } from './handshake.ts';
import { askChild } from './own-request.ts';

export interface Listing {
  readonly tools: readonly JsonObject[];
  readonly capabilities: JsonObject;
  readonly version: string | undefined;
  readonly hash: string;
}

export async function listChild(
  conversation: Conversation,
  face: ChildFace,
  clock: Clock,
  bounds: Pick<BridgeBounds, 'listTimeoutMs' | 'pagesMax'>,
): Promise<Listing | { readonly problem: string }> {
  const tools =
    face.capabilities['tools'] === undefined ? [] : await listTools(conversation, face, clock, bounds);
  if (!Array.isArray(tools)) return tools;
  const { capabilities, serverInfo } = face;
  const version = typeof serverInfo['version'] === 'string' ? serverInfo['version'].slice(0, 128) : undefined;
  const hash = createHash('sha256').update(canonicalJson({ tools, capabilities, version: version ?? null }));
  return { tools, capabilities, version, hash: hash.digest('hex') };
}

async function listTools(
  conversation: Conversation,
  face: ChildFace,
  clock: Clock,
  bounds: Pick<BridgeBounds, 'listTimeoutMs' | 'pagesMax'>,
): Promise<JsonObject[] | { readonly problem: string }> {
  const tools: JsonObject[] = [];
  const seen = new Set<string>();
  let cursor: string | undefined;
  for (let page = 0; page < bounds.pagesMax; page += 1) {
    const params = {
      ...(cursor === undefined ? {} : { cursor }),
      ...(face.era === 'modern' ? { _meta: ownEnvelope } : {}),
    };
    const reply = await askChild(
      conversation,
      'tools/list',
      JSON.stringify(params),
      bounds.listTimeoutMs,
      clock,
    );
    if (reply.kind !== 'result') {
      return { problem: reply.kind === 'error' ? `it refused tools/list: ${reply.message}` : reply.detail };
    }
    const read = readListPage('tools', reply.text);
    if (!read) return { problem: 'its answer to tools/list has no tools' };
    for (const { text } of read.items) {
      const tool = parseJsonObject(text);
      if (tool) tools.push(tool);
    }
    if (tools.length > toolsMax) return { problem: `it lists more than ${toolsMax} tools` };
    cursor = read.nextCursor;
    if (cursor === undefined || cursor === '') return tools;
    if (seen.has(cursor)) return { problem: 'its tools/list comes back to a page that was read before' };
    seen.add(cursor);
  }
  return { problem: `its tools/list has more than ${bounds.pagesMax} pages` };
}

/** The same value gives the same text, in whatever order its members stand. */
export function canonicalJson(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonicalJson(inner)}`).join(',')}}`;
}
