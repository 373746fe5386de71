/** Finds out which era a child speaks, and greets it in that era (MCP 2026-07-28, "Versioning", stdio probe). */

import {
  legacyLatest,
  legacyVersions,
  metaKeys,
  modernLatest,
  modernVersions,
  parseJsonObject,
  readDiscoverResult,
  readInitializeResult,
  type Json,
  type JsonObject,
  type ServerFace,
} from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { BridgeBounds } from './bounds.ts';
import type { Conversation } from './conversation.ts';
import { askChild } from './own-request.ts';

export type ChildFace = ServerFace & {
  /** InitializeResult or DiscoverResult, as the child wrote it. */
  readonly resultText: string;
  readonly supported: readonly string[];
};

/** How this bridge names itself to servers. */
export const bridgeInfo = { name: 'cruvero-stdio-bridge', version: '0.1.0' };

/** For requests of the bridge itself to a modern child. */
export const ownEnvelope: JsonObject = {
  [metaKeys.protocolVersion]: modernLatest,
  [metaKeys.clientInfo]: bridgeInfo,
  [metaKeys.clientCapabilities]: {},
};

/** Errors that only a modern server gives: it speaks the era, if not this version. */
const modernCodes: ReadonlySet<number> = new Set([-32020, -32021, -32022]);

export type Greeted = ChildFace | { readonly problem: string };

/** `probe` false: it is known to be legacy, or a probe has killed it before. */
export async function greet(
  conversation: Conversation,
  probe: boolean,
  clock: Clock,
  bounds: Pick<BridgeBounds, 'probeTimeoutMs' | 'initializeTimeoutMs'>,
): Promise<Greeted> {
  const params = JSON.stringify({ _meta: ownEnvelope });
  if (probe) {
    const reply = await askChild(conversation, 'server/discover', params, bounds.probeTimeoutMs, clock);
    if (reply.kind === 'error' && modernCodes.has(reply.code))
      return { problem: `it refused discovery: ${reply.message}` };
    const face = reply.kind === 'result' ? modernFace(reply.text) : undefined;
    if (face) return face;
  }
  return initialize(conversation, clock, bounds.initializeTimeoutMs);
}

function modernFace(resultText: string): ChildFace | undefined {
  const face = readDiscoverResult(resultText, modernVersions);
  if (!face) return undefined;
  const listed: Json | undefined = parseJsonObject(resultText)?.['supportedVersions'];
  const supported = Array.isArray(listed) ? listed.filter((version) => typeof version === 'string') : [];
  return { ...face, resultText, supported: supported.slice(0, 32) };
}

async function initialize(conversation: Conversation, clock: Clock, timeoutMs: number): Promise<Greeted> {
  const params = JSON.stringify({ protocolVersion: legacyLatest, capabilities: {}, clientInfo: bridgeInfo });
  const reply = await askChild(conversation, 'initialize', params, timeoutMs, clock);
  if (reply.kind === 'error') return { problem: `it refused initialize: ${reply.message}` };
  if (reply.kind === 'silent') return { problem: reply.detail };
  const face = readInitializeResult(reply.text);
  if (!face) return { problem: 'its answer to initialize is not an InitializeResult' };
  if (!legacyVersions.includes(face.version)) {
    return {
      problem: `it speaks protocol version ${JSON.stringify(face.version.slice(0, 32))}, which is not known here`,
    };
  }
  conversation.notify('{"jsonrpc":"2.0","method":"notifications/initialized"}');
  return { ...face, resultText: reply.text, supported: [face.version] };
}
