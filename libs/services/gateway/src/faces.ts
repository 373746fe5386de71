/** What the gateway says of itself, or of the one server behind a door, at initialize and server/discover. */

import {
  isFault,
  legacyLatest,
  legacyVersions,
  modernVersions,
  parseJsonObject,
  type Fault,
  type JsonObject,
  type Json,
  type Server,
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

/** The aggregate offers what any server may offer. */
export function aggregateFace(version: string, servers: readonly Server[]): Face {
  const names = servers.map((s) => s.name);
  const instructions =
    names.length === 0
      ? 'No server is connected yet.'
      : `Tools and prompts are named mcp.<server>.<name>, resources mcp://<server>/<uri>. Servers: ${names.join(', ')}.`;
  return {
    capabilities: { tools: listChanged, resources: listChanged, prompts: listChanged, completions: {} },
    serverInfo: gatewayInfo(version),
    instructions,
  };
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

/** Capabilities whose messages pass this gateway; list_changed comes from the catalog for every server. */
function carried(capabilities: JsonObject): JsonObject {
  const kept: Record<string, Json | undefined> = {};
  for (const name of ['tools', 'resources', 'prompts'])
    if (capabilities[name] !== undefined) kept[name] = listChanged;
  for (const name of ['completions', 'experimental', 'extensions']) {
    if (capabilities[name] !== undefined) kept[name] = capabilities[name];
  }
  return kept;
}

/** The version that was asked for where it is known, otherwise our newest of that era (MCP 2025-11-25, "Lifecycle"). */
export function negotiate(requested: string | undefined): string {
  return requested !== undefined && legacyVersions.includes(requested) ? requested : legacyLatest;
}

export function initializeResult(face: Face, version: string): string {
  return JSON.stringify({
    protocolVersion: version,
    capabilities: face.capabilities,
    serverInfo: face.serverInfo,
    ...(face.instructions === undefined ? {} : { instructions: face.instructions }),
  });
}

export function discoverResult(face: Face): string {
  return JSON.stringify({
    resultType: 'complete',
    supportedVersions: modernVersions,
    capabilities: face.capabilities,
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
