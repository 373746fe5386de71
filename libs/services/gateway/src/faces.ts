/** What the gateway says of itself, or of the one server behind a door, at initialize and server/discover. */

import {
  isFault,
  isJsonObject,
  legacyLatest,
  legacyVersions,
  modernVersions,
  parseJsonObject,
  type CompiledVirtual,
  type Era,
  type Fault,
  type JsonObject,
  type Json,
  type Server,
  type ServerFace,
} from '@cruvero/core';
import type { Links } from './links.ts';

export interface Face {
  readonly capabilities: JsonObject;
  readonly serverInfo: JsonObject;
  readonly instructions: string | undefined;
}

export function gatewayInfo(version: string): JsonObject {
  return { name: 'cruvero-mcp', title: 'Cruvero MCP gateway', version };
}

const listChanged = { listChanged: true };

/** What every door made of several servers offers: whatever one of its servers may offer. */
const jointCapabilities: JsonObject = {
  tools: listChanged,
  resources: { subscribe: true, listChanged: true },
  prompts: listChanged,
  completions: {},
  logging: {},
};

const naming = {
  canonical: 'Tools and prompts are named mcp.<server>.<name>, resources mcp://<server>/<uri>.',
  safe: 'Tools and prompts are named <server>__<name>, resources mcp://<server>/<uri>.',
} as const;

/** The aggregate offers what any server may offer. */
export function aggregateFace(
  version: string,
  servers: readonly Server[],
  faceOf: (server: Server) => ServerFace | undefined,
  names: keyof typeof naming,
): Face {
  const listed = servers.map((s) => s.name).join(', ');
  const own = servers.flatMap(({ name }, at) => {
    const said = servers[at] && faceOf(servers[at])?.instructions;
    return said === undefined ? [] : [`About ${name}: ${said}`];
  });
  const about = servers.length === 0 ? 'No server is connected yet.' : `${naming[names]} Servers: ${listed}.`;
  const extensions = jointExtensions(servers.map(faceOf));
  return {
    capabilities: extensions ? { ...jointCapabilities, extensions } : jointCapabilities,
    serverInfo: gatewayInfo(version),
    instructions: [about, ...own].join('\n\n').slice(0, instructionsCharsMax),
  };
}

const instructionsCharsMax = 16_000;

export function virtualFace(version: string, { definition }: CompiledVirtual): Face {
  return {
    capabilities: jointCapabilities,
    serverInfo: { name: definition.name, title: definition.description ?? definition.name, version },
    instructions: definition.instructions,
  };
}

/** Extensions that any of the servers has; settings are those of the first that has it. */
function jointExtensions(faces: readonly (ServerFace | undefined)[]): JsonObject | undefined {
  const joint: Record<string, Json | undefined> = {};
  for (const face of faces) {
    const extensions = face?.era === 'modern' ? face.capabilities['extensions'] : undefined;
    if (isJsonObject(extensions))
      for (const [name, settings] of Object.entries(extensions)) joint[name] ??= settings;
  }
  return Object.keys(joint).length === 0 ? undefined : joint;
}

/** The server's own face, less what this gateway cannot carry. The first instance that answers speaks for it. */
export async function serverFace(server: Server, links: Links): Promise<Face | Fault> {
  const detail = 'it has no running instance';
  let last: Fault = { fault: 'upstream_unavailable', server: server.name, detail, neverLeft: true };
  for (const instance of server.instances) {
    const face = await links.of(server, instance).face();
    if (!isFault(face)) return { ...face, capabilities: carried(face.capabilities) };
    last = face;
  }
  return last;
}

/** list_changed comes from the catalog for every server; all else is the server's own to offer. */
function carried(capabilities: JsonObject): JsonObject {
  const kept: Record<string, Json | undefined> = { ...capabilities };
  for (const name of ['tools', 'resources', 'prompts']) {
    const own = capabilities[name];
    if (own !== undefined) kept[name] = isJsonObject(own) ? { ...own, ...listChanged } : listChanged;
  }
  return kept;
}

/** Capabilities that exist in one of the eras only. */
const legacyOnly: readonly string[] = ['tasks'];
const modernOnly: readonly string[] = ['extensions'];

function inEra(capabilities: JsonObject, era: Era): JsonObject {
  const kept: Record<string, Json | undefined> = { ...capabilities };
  for (const name of era === 'modern' ? legacyOnly : modernOnly) delete kept[name];
  return kept;
}

/** The version that was asked for where it is known, otherwise our newest of that era (MCP 2025-11-25, "Lifecycle"). */
export function negotiate(requested: string | undefined): string {
  return requested !== undefined && legacyVersions.includes(requested) ? requested : legacyLatest;
}

export function initializeResult(face: Face, version: string): string {
  return JSON.stringify({
    protocolVersion: version,
    capabilities: inEra(face.capabilities, 'legacy'),
    serverInfo: face.serverInfo,
    ...(face.instructions === undefined ? {} : { instructions: face.instructions }),
  });
}

export function discoverResult(face: Face): string {
  return JSON.stringify({
    resultType: 'complete',
    supportedVersions: modernVersions,
    capabilities: inEra(face.capabilities, 'modern'),
    ...(face.instructions === undefined ? {} : { instructions: face.instructions }),
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { 'io.modelcontextprotocol/serverInfo': face.serverInfo },
  });
}

/** The members of initialize's params that the gateway uses. */
export function readInitialize(paramsText: string) {
  const params = parseJsonObject(paramsText) ?? {};
  const objectOf = (value: Json | undefined): JsonObject =>
    typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
  return {
    version: typeof params['protocolVersion'] === 'string' ? params['protocolVersion'] : undefined,
    clientCapabilities: objectOf(params['capabilities']),
    clientInfo: objectOf(params['clientInfo']),
  };
}
