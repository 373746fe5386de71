/** From a permitted call to the server it belongs to, and the name it has there. */

import {
  isJsonObject,
  listKindOf,
  ownedName,
  ownedUri,
  paramText,
  parseJsonObject,
  permitTool,
  serverKey,
  stringParam,
  exposedName,
  type Fault,
  type JsonObject,
  type Owned,
  type Server,
  type Snapshot,
  type TenantId,
  type ServerName,
} from '@cruvero/core';
import type { Permitted, Routed } from './pipeline.ts';

/** What the catalog knows of a tool: whether it may run twice. */
export type Idempotent = (server: Server, tool: string) => boolean;

export function selectRoute(call: Permitted, idempotent: Idempotent): Routed | Fault {
  return call.door.door === 'server'
    ? routeToServer(call, call.door.name, idempotent)
    : routeByName(call, idempotent);
}

/** Methods that only read; tools say it of themselves. */
const readOnlyMethods: ReadonlySet<string> = new Set([
  'prompts/get',
  'resources/read',
  'completion/complete',
]);

function routeToServer(call: Permitted, name: ServerName, idempotent: Idempotent): Routed | Fault {
  const server = findServer(call.snapshot, call.principal.tenantId, name);
  if ('fault' in server) return server;
  const { method, params } = call.message;
  const own = method === 'resources/read' ? stringParam(params, 'uri') : stringParam(params, 'name');
  if (method === 'tools/call') return routeTool(call, server, own, {}, idempotent);
  return routed(
    call,
    server,
    own ?? method,
    {},
    readOnlyMethods.has(method) || listKindOf(method) !== undefined,
  );
}

function routeByName(call: Permitted, idempotent: Idempotent): Routed | Fault {
  const { method, params } = call.message;
  switch (method) {
    case 'tools/call':
    case 'prompts/get': {
      const owned = nameOwner(call, stringParam(params, 'name'));
      if ('fault' in owned) return owned;
      const changes = { name: JSON.stringify(owned.own) };
      if (method === 'tools/call') return routeTool(call, owned.server, owned.own, changes, idempotent);
      return routed(call, owned.server, owned.own, changes, true);
    }
    case 'resources/read': {
      const owned = uriOwner(call, stringParam(params, 'uri'));
      if ('fault' in owned) return owned;
      return routed(call, owned.server, owned.own, { uri: JSON.stringify(owned.own) }, true);
    }
    case 'completion/complete':
      return routeCompletion(call);
    default:
      return { fault: 'unknown_method', method };
  }
}

function routeTool(
  call: Permitted,
  server: Server,
  own: string | undefined,
  changes: Readonly<Record<string, string>>,
  idempotent: Idempotent,
): Routed | Fault {
  if (own === undefined)
    return { fault: 'bad_params', detail: 'params.name is missing: the name of the tool, a string.' };
  const exposed = exposedName(server.name, own);
  const permit = permitTool(call.profile, exposed);
  if (!permit.allowed && call.profile.enforcementMode === 'enforce') {
    const detail = `Tool ${JSON.stringify(exposed)} is not allowed for you by the ${permit.reason} of profile ${JSON.stringify(call.profile.name)}.`;
    return { fault: 'forbidden', detail };
  }
  return routed(call, server, own, changes, idempotent(server, own));
}

function routeCompletion(call: Permitted): Routed | Fault {
  const ref = parseJsonObject(paramText(call.message.params, 'ref') ?? '');
  if (!ref)
    return {
      fault: 'bad_params',
      detail: 'params.ref is missing: a reference to a prompt or a resource template.',
    };
  const byUri = ref['type'] === 'ref/resource';
  const member = byUri ? 'uri' : 'name';
  const named = ref[member];
  if (typeof named !== 'string')
    return { fault: 'bad_params', detail: `params.ref.${member} is missing: a string as the lists give it.` };
  const owned = byUri ? uriOwner(call, named) : nameOwner(call, named);
  if ('fault' in owned) return owned;
  const ownRef = { ...ref, [member]: owned.own };
  return routed(call, owned.server, owned.own, { ref: JSON.stringify(ownRef) }, true);
}

interface Found {
  readonly server: Server;
  readonly own: string;
}

function nameOwner(call: Permitted, exposed: string | undefined): Found | Fault {
  if (exposed === undefined)
    return { fault: 'bad_params', detail: 'params.name is missing: a string such as "mcp.<server>.<tool>".' };
  const owned = ownedName(exposed);
  const hint = 'names here are "mcp.<server>.<tool>" as tools/list and prompts/list give them.';
  return owner(call, owned, { fault: 'unknown_tool', name: exposed.slice(0, 256), hint });
}

function uriOwner(call: Permitted, exposed: string | undefined): Found | Fault {
  if (exposed === undefined)
    return { fault: 'bad_params', detail: 'params.uri is missing: a string as resources/list gives it.' };
  return owner(call, ownedUri(exposed), { fault: 'unknown_resource', uri: exposed.slice(0, 512) });
}

function owner(call: Permitted, owned: Owned | undefined, unknown: Fault): Found | Fault {
  if (!owned) return unknown;
  const server = call.snapshot.servers.get(serverKey(call.principal.tenantId, owned.server));
  if (server) return { server, own: owned.own };
  if (unknown.fault !== 'unknown_tool') return unknown;
  return { ...unknown, hint: `there is no server ${JSON.stringify(owned.server)} here (any more).` };
}

export function findServer(snapshot: Snapshot, tenantId: TenantId, name: ServerName): Server | Fault {
  const server = snapshot.servers.get(serverKey(tenantId, name));
  if (server) return server;
  const known = [...snapshot.servers.values()].filter((s) => s.tenantId === tenantId).map((s) => s.name);
  return { fault: 'unknown_server', server: name, known };
}

function routed(
  call: Permitted,
  server: Server,
  target: string,
  changes: Readonly<Record<string, string>>,
  idempotent: boolean,
): Routed {
  return { ...call, server, target, changes, idempotent, capabilities: capabilitiesFor(call) };
}

/**
 * What the server may expect of this hop. A modern caller can answer for itself through `input_required`, so its own
 * capabilities go along; towards a legacy caller nothing can be asked, so nothing is declared.
 */
function capabilitiesFor(call: Permitted): JsonObject {
  if (call.spoken.era !== 'modern') return {};
  const { extensions, ...rest } = call.spoken.clientCapabilities;
  return call.door.door === 'server' && isJsonObject(extensions) ? { ...rest, extensions } : rest;
}
