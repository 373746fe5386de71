/** The two eras of the protocol and the versions in each (MCP versioning; the lists are kept apart on purpose). */

/** `legacy` negotiates by initialize and may hold sessions; `modern` puts everything into each request's `_meta`. */
export type Era = 'legacy' | 'modern';

/** Newest first. */
export const modernVersions: readonly string[] = ['2026-07-28'];
export const legacyVersions: readonly string[] = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'];

export const modernLatest = '2026-07-28';
export const legacyLatest = '2025-11-25';

/** What a server that got no version header assumes (MCP 2025-06-18, "Protocol Version Header"). */
export const legacyAssumed = '2025-03-26';

export function isModernVersion(version: string): boolean {
  return modernVersions.includes(version);
}
export function isLegacyVersion(version: string): boolean {
  return legacyVersions.includes(version);
}

/** Envelope keys of `params._meta` and of results (MCP 2026-07-28, "Base protocol"). */
export const envelopePrefix = 'io.modelcontextprotocol/';
export const metaKeys = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
} as const;

/** Requests that only one of the eras knows; all others are in both. */
export const legacyOnlyMethods: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);
export const modernOnlyMethods: ReadonlySet<string> = new Set(['server/discover', 'subscriptions/listen']);

/** Where `Mcp-Name` comes from, by method (MCP 2026-07-28, "Mirror headers"; the Tasks extension's ids). */
const nameParameters: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

/** The parameter that `Mcp-Name` repeats, undefined for methods without. Methods are callers' words: `constructor` is none. */
export function nameParameter(method: string): string | undefined {
  return Object.hasOwn(nameParameters, method) ? nameParameters[method] : undefined;
}
