/** Under which terms a legacy server is spoken to for a caller: what was declared for whom, and which requests share a session. */

import { createHash } from 'node:crypto';
import {
  canAnswer,
  fingerprint,
  isJsonObject,
  legacyCapabilities,
  metaKeys,
  type JsonObject,
} from '@cruvero/core';
import type { SessionTerms } from '@cruvero/upstream';
import type { Identified } from './pipeline.ts';
import type { ClientSession } from './sessions/client-session.ts';
import { ownerKey } from './sessions/sessions.ts';

/** One session of a client is one session at each server, the same on every replica. */
export function termsOfSession(session: ClientSession): SessionTerms {
  return {
    key: `c/${session.uid}`,
    capabilities: session.facts.clientCapabilities,
    clientInfo: session.facts.clientInfo,
    logLevel: session.logLevel,
    exclusive: false,
    shared: true,
  };
}

/**
 * Modern callers have no sessions: those of one principal that declare the same share one at the server. Where they can be
 * asked, a session carries one of their requests at a time, so that a question on it has one possible owner.
 */
export function termsOf(call: Pick<Identified, 'principal' | 'spoken' | 'session'>): SessionTerms {
  if (call.session) return termsOfSession(call.session);
  const owner = ownerKey(call.principal);
  if (call.spoken.era === 'legacy') return plainTerms(owner);
  const capabilities = legacyCapabilities(call.spoken.clientCapabilities);
  const clientInfo = clientInfoOf(call);
  const level = call.spoken.meta[metaKeys.logLevel];
  const logLevel = typeof level === 'string' ? level : undefined;
  return {
    key: `p/${owner}/${declared(capabilities, clientInfo, logLevel)}`,
    capabilities,
    clientInfo,
    logLevel,
    exclusive: canAnswer(capabilities),
  };
}

/** Nothing declared, nobody to ask. */
export function plainTerms(owner: string): SessionTerms {
  return {
    key: `p/${owner}`,
    capabilities: {},
    clientInfo: undefined,
    logLevel: undefined,
    exclusive: false,
  };
}

/** As servers shall see the caller; undefined where it does not say who it is. */
export function clientInfoOf({
  spoken,
  session,
}: Pick<Identified, 'spoken' | 'session'>): JsonObject | undefined {
  if (session) return session.facts.clientInfo;
  const info = spoken.era === 'modern' ? spoken.meta[metaKeys.clientInfo] : undefined;
  return isJsonObject(info) && typeof info['name'] === 'string' && typeof info['version'] === 'string'
    ? info
    : undefined;
}

const digestsMax = 1_000;
const digests = new Map<string, string>();

/** The same few declarations come with every request: their digests are kept. */
function declared(
  capabilities: JsonObject,
  clientInfo: JsonObject | undefined,
  logLevel: string | undefined,
): string {
  const text = JSON.stringify([capabilities, clientInfo, logLevel]);
  const known = digests.get(text);
  if (known !== undefined) return known;
  const canonical = fingerprint({ capabilities, clientInfo: clientInfo ?? {}, logLevel: logLevel ?? '' });
  const digest = createHash('sha256').update(canonical).digest('base64url').slice(0, 22);
  if (digests.size >= digestsMax) digests.clear();
  digests.set(text, digest);
  return digest;
}
