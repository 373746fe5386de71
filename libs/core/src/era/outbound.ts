/** From a caller's parameters to an upstream's: envelope on or off, names and tokens mapped, the rest to the letter. */

import type { Json, JsonObject } from '../model/json.ts';
import { encodeHeaderValue } from '../wire/header-value.ts';
import { stringAt } from '../wire/json-spans.ts';
import { changeKnownMembers, type MemberChanges } from '../wire/splice.ts';
import { paramText, stringParam, type Params } from './message.ts';
import { envelopePrefix, metaKeys, nameParameter, type Era } from './versions.ts';

/** How to address one upstream. */
export interface UpstreamDialect {
  readonly era: Era;
  readonly version: string;
  readonly clientInfo: JsonObject;
  /** What this hop can answer when the server asks back. */
  readonly capabilities: JsonObject;
}

export interface MetaChanges {
  /** Replaces the caller's token; undefined takes it out. */
  readonly progressToken?: Json | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

/**
 * The `_meta` for the upstream, or undefined where nothing is left of it. Keys of others (vendor keys, baggage) pass.
 */
export function upstreamMeta(
  meta: JsonObject | undefined,
  dialect: UpstreamDialect,
  changes: MetaChanges,
): JsonObject | undefined {
  const kept: Record<string, Json | undefined> = {};
  for (const [key, value] of Object.entries(meta ?? {})) {
    if (!key.startsWith(envelopePrefix) || (dialect.era === 'modern' && key === metaKeys.logLevel))
      kept[key] = value;
  }
  for (const key of ['progressToken', 'traceparent', 'tracestate'] as const) {
    if (!(key in changes)) continue;
    if (changes[key] === undefined) delete kept[key];
    else kept[key] = changes[key];
  }
  if (dialect.era === 'modern') {
    kept[metaKeys.protocolVersion] = dialect.version;
    kept[metaKeys.clientCapabilities] = dialect.capabilities;
    kept[metaKeys.clientInfo] = dialect.clientInfo;
  }
  return Object.keys(kept).length === 0 ? undefined : kept;
}

/** The params text for the upstream. `changes` are members besides `_meta`, such as the tool's own name. */
export function upstreamParams(
  params: Params,
  meta: JsonObject | undefined,
  dialect: UpstreamDialect,
  metaChanges: MetaChanges,
  changes: MemberChanges = {},
): string {
  const forUpstream = upstreamMeta(meta, dialect, metaChanges);
  const hadMeta = params.members.has('_meta');
  const untouched = meta !== undefined && forUpstream !== undefined && sameMembers(meta, forUpstream);
  const metaText = untouched ? paramText(params, '_meta') : forUpstream && JSON.stringify(forUpstream);
  return changeKnownMembers(
    params.text,
    params.members,
    hadMeta || metaText !== undefined ? { ...changes, _meta: metaText } : changes,
  );
}

function sameMembers(a: JsonObject, b: JsonObject): boolean {
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => sameJson(a[name], b[name]));
}

/** What was not changed is the same object still, and what was is told apart by the first look. */
function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  return typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b);
}

/** A whole request; `idText` is JSON. */
export function requestText(idText: string, method: string, paramsText: string): string {
  return `{"jsonrpc":"2.0","id":${idText},"method":${JSON.stringify(method)},"params":${paramsText}}`;
}

export function notificationText(method: string, paramsText: string): string {
  return `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${paramsText}}`;
}

/**
 * The headers that say what the body says (2026-07-28), or the negotiated version (2025-06-18 and later). `changes` are those
 * that `upstreamParams` makes to the params.
 */
export function upstreamHeaders(
  method: string,
  params: Params,
  dialect: UpstreamDialect,
  changes: MemberChanges = {},
): Record<string, string> {
  if (dialect.era === 'legacy') {
    return method === 'initialize' ? {} : { 'mcp-protocol-version': dialect.version };
  }
  const headers: Record<string, string> = {
    'mcp-protocol-version': dialect.version,
    'mcp-method': encodeHeaderValue(method),
  };
  const parameter = nameParameter(method);
  const name = parameter === undefined ? undefined : changedString(params, parameter, changes);
  if (name !== undefined) headers['mcp-name'] = encodeHeaderValue(name);
  return headers;
}

function changedString(params: Params, name: string, changes: MemberChanges): string | undefined {
  if (!Object.hasOwn(changes, name)) return stringParam(params, name);
  const text = changes[name];
  return text === undefined ? undefined : stringAt(text, { start: 0, end: text.length });
}
