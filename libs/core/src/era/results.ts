/** From an upstream's result or error to the caller's era (protocol.md §2; MCP 2026-07-28 "Results", "Caching", "Errors"). */

import type { Fault } from '../model/fault.ts';
import { isJsonObject, parseJsonObject, type JsonObject } from '../model/json.ts';
import {
  isJsonProblem,
  mayMention,
  stringAt,
  textOf,
  wholeObject,
  type Members,
} from '../wire/json-spans.ts';
import { changeMembers, type MemberChanges } from '../wire/splice.ts';
import type { Reply } from './reply.ts';
import { legacyItem, mapItems, modernItem, wrapStructured } from './tool-items.ts';
import { metaKeys, type Era } from './versions.ts';

/** Results that must say how long they may be kept (MCP 2026-07-28, "Caching"). */
const cacheable: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

/** A result of this gateway's own making, or of a legacy server, as a modern caller must see it. */
export function modernResult(method: string, resultText: string, serverInfo?: JsonObject): string {
  const members = wholeObject(resultText);
  if (isJsonProblem(members)) return resultText;
  const changes: Record<string, string> = {};
  if (!members.has('resultType')) changes['resultType'] = '"complete"';
  if (cacheable.has(method)) {
    if (!members.has('ttlMs')) changes['ttlMs'] = '0';
    if (!members.has('cacheScope')) changes['cacheScope'] = '"private"';
  }
  if (serverInfo) changes['_meta'] = withServerInfo(resultText, members, serverInfo);
  return changeMembers(resultText, changes);
}

function withServerInfo(resultText: string, members: Members, serverInfo: JsonObject): string {
  const span = members.get('_meta');
  const meta = span === undefined ? {} : (parseJsonObject(textOf(resultText, span)) ?? {});
  return JSON.stringify({ [metaKeys.serverInfo]: serverInfo, ...meta });
}

/** A modern server's result as a legacy caller must see it, or a fault where it has no legacy form. */
export function legacyResult(resultText: string, server: string): string | Fault {
  if (!/"(?:resultType|ttlMs|cacheScope|_meta)"/.test(resultText)) return resultText;
  const members = wholeObject(resultText);
  if (isJsonProblem(members)) return { fault: 'upstream_broken', server, detail: members.problem };
  const type = stringAt(resultText, members.get('resultType')) ?? 'complete';
  if (type !== 'complete') {
    const detail =
      type === 'input_required'
        ? 'it asks the client for input, which this connection cannot carry'
        : `its result type ${JSON.stringify(type)} does not exist in the protocol version of this session`;
    return { fault: 'upstream_broken', server, detail };
  }
  return changeMembers(resultText, {
    resultType: undefined,
    ttlMs: undefined,
    cacheScope: undefined,
    ...metaWithoutServerInfo(resultText, members),
  });
}

function metaWithoutServerInfo(resultText: string, members: Members): MemberChanges {
  const span = members.get('_meta');
  const meta = span && parseJsonObject(textOf(resultText, span));
  if (!meta || !(metaKeys.serverInfo in meta)) return {};
  const { [metaKeys.serverInfo]: _dropped, ...rest } = meta;
  return { _meta: Object.keys(rest).length === 0 ? undefined : JSON.stringify(rest) };
}

/** The reply in the caller's era. */
export function adaptReply(reply: Reply, method: string, from: Era, to: Era, server: string): Reply | Fault {
  if (reply.kind === 'error') return { ...reply, ...adaptError(reply, from, to) };
  if (from === to) return to === 'modern' ? { kind: 'result', text: typed(reply.text) } : reply;
  if (to === 'modern') return { kind: 'result', text: modernResult(method, modernTools(method, reply.text)) };
  const text = legacyResult(reply.text, server);
  return typeof text === 'string' ? { kind: 'result', text: legacyTools(method, text) } : text;
}

/** Servers that leave out the type mean a complete result; modern callers may rely on it being said. */
function typed(resultText: string): string {
  if (/^\s*\{\s*"resultType"/.test(resultText)) return resultText;
  const members = wholeObject(resultText);
  // What is wrong inside a result is for its reader (see readUpstreamMessage).
  if (isJsonProblem(members) || members.has('resultType')) return resultText;
  return changeMembers(resultText, { resultType: '"complete"' });
}

function modernTools(method: string, resultText: string): string {
  return method === 'tools/list' && mayMention(resultText, 'execution')
    ? mapItems('tools', resultText, (item) => modernItem('tools', item))
    : resultText;
}

function legacyTools(method: string, resultText: string): string {
  if (method === 'tools/call') return wrapStructured(resultText);
  return method === 'tools/list' && mayMention(resultText, 'outputSchema')
    ? mapItems('tools', resultText, (item) => legacyItem('tools', item))
    : resultText;
}

const resourceNotFoundLegacy = -32002;
const modernOnlyCodes: ReadonlySet<number> = new Set([-32020, -32021, -32022]);

/** Codes that the other era does not have are turned into what it has; the message stays. */
function adaptError(reply: { readonly code: number; readonly text: string }, from: Era, to: Era) {
  if (from === to) return {};
  if (to === 'modern' && reply.code === resourceNotFoundLegacy) return recoded(reply.text, -32602);
  if (to === 'legacy' && modernOnlyCodes.has(reply.code)) return recoded(reply.text, -32603);
  return {};
}

function recoded(text: string, code: number): { readonly code: number; readonly text: string } {
  return { code, text: changeMembers(text, { code: String(code) }) };
}

/** What a server said of itself, whichever way it was asked. */
export interface ServerFace {
  readonly era: Era;
  readonly version: string;
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions: string | undefined;
}

/** Reads an InitializeResult. Undefined where it is none. */
export function readInitializeResult(text: string): ServerFace | undefined {
  const result = parseJsonObject(text);
  const version = result?.['protocolVersion'];
  const capabilities = result?.['capabilities'];
  if (typeof version !== 'string' || !isJsonObject(capabilities)) return undefined;
  return {
    era: 'legacy',
    version,
    capabilities,
    ...readIdentity(result?.['serverInfo'], result?.['instructions']),
  };
}

/** Reads a DiscoverResult and picks the newest version both sides know. Undefined where it is none. */
export function readDiscoverResult(text: string, known: readonly string[]): ServerFace | undefined {
  const result = parseJsonObject(text);
  const supported = result?.['supportedVersions'];
  const capabilities = result?.['capabilities'];
  if (!Array.isArray(supported) || !isJsonObject(capabilities)) return undefined;
  const version = known.find((candidate) => supported.includes(candidate));
  if (version === undefined) return undefined;
  const meta = result?.['_meta'];
  const info = isJsonObject(meta) ? meta[metaKeys.serverInfo] : undefined;
  return { era: 'modern', version, capabilities, ...readIdentity(info, result?.['instructions']) };
}

function readIdentity(info: unknown, instructions: unknown) {
  return {
    serverInfo: isJsonObject(info) ? info : {},
    instructions: typeof instructions === 'string' ? instructions : undefined,
  };
}
