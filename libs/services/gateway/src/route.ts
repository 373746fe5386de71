/** From a permitted call to the server it belongs to, and the name it has there. */

import {
  exposedName,
  isJsonObject,
  isLegacyTaskMethod,
  isTaskMethod,
  listKindOf,
  ownedUri,
  paramHeaderMismatch,
  paramText,
  parseJsonObject,
  permitTool,
  serverKey,
  stringParam,
  taskIdOf,
  virtualUriOwner,
  type Fault,
  type Owned,
  type Server,
  type ServerName,
  type Snapshot,
  type TenantId,
  type VirtualServer,
} from '@cruvero/core';
import type { Catalog } from './catalog/catalog.ts';
import type { SharedDoor } from './catalog/views.ts';
import type { Permitted, Routed } from './pipeline.ts';
import type { LegacyTasks } from './legacy-tasks.ts';
import type { TaskIds } from './task-ids.ts';

/** What routing looks things up in. */
export interface RouteParts {
  readonly catalog: Pick<Catalog, 'toolOf' | 'views'>;
  readonly taskIds: TaskIds;
  readonly legacyTasks: Pick<LegacyTasks, 'named'>;
}

export function selectRoute(call: Permitted, parts: RouteParts): Routed | Fault {
  const { method } = call.message;
  if (call.spoken.era === 'modern') {
    if (isTaskMethod(method)) return routeTask(call, parts);
    // The extension has none of the others, and a legacy server's own are not for modern callers.
    if (isLegacyTaskMethod(method)) return { fault: 'unknown_method', method };
  } else if (call.door.door === 'server' && namesLegacyTask(method)) {
    return routeLegacyTask(call, call.door.name, parts);
  }
  return call.door.door === 'server'
    ? routeToServer(call, call.door.name, parts)
    : routeByName(call, call.door, parts);
}

/** Methods that only read; tools say it of themselves. */
const readOnlyMethods: ReadonlySet<string> = new Set([
  'prompts/get',
  'resources/read',
  'completion/complete',
]);

function routeToServer(call: Permitted, name: ServerName, parts: RouteParts): Routed | Fault {
  const server = findServer(call.snapshot, call.principal.tenantId, name);
  if ('fault' in server) return server;
  const { method, params } = call.message;
  const own = method === 'resources/read' ? stringParam(params, 'uri') : stringParam(params, 'name');
  if (method === 'tools/call') return routeTool(call, server, own, {}, parts);
  return routed(
    call,
    server,
    own ?? method,
    {},
    readOnlyMethods.has(method) || listKindOf(method) !== undefined,
  );
}

function routeByName(call: Permitted, door: SharedDoor, parts: RouteParts): Routed | Fault {
  const { method, params } = call.message;
  switch (method) {
    case 'tools/call':
    case 'prompts/get': {
      const kind = method === 'tools/call' ? 'tools' : 'prompts';
      const owned = nameOwner(call, kind, stringParam(params, 'name'), door, parts);
      if ('fault' in owned) return owned;
      const changes = { name: JSON.stringify(owned.own) };
      if (method === 'tools/call') return routeTool(call, owned.server, owned.own, changes, parts);
      return routed(call, owned.server, owned.own, changes, true);
    }
    case 'resources/read': {
      const owned = uriOwner(call, door, stringParam(params, 'uri'));
      if ('fault' in owned) return owned;
      return routed(call, owned.server, owned.own, { uri: JSON.stringify(owned.own) }, true);
    }
    case 'completion/complete':
      return routeCompletion(call, door, parts);
    default:
      return { fault: 'unknown_method', method };
  }
}

function routeTool(
  call: Permitted,
  server: Server,
  own: string | undefined,
  changes: Readonly<Record<string, string>>,
  { catalog }: RouteParts,
): Routed | Fault {
  if (own === undefined)
    return { fault: 'bad_params', detail: 'params.name is missing: the name of the tool, a string.' };
  const refused = refuseTool(call, server, own);
  if (refused) return refused;
  const tool = catalog.toolOf(server, own);
  if (call.spoken.era === 'modern' && tool && call.paramHeaders) {
    const mismatch = paramHeaderMismatch(call.message.params, tool.headers, call.paramHeaders);
    if (mismatch !== undefined) return { fault: 'header_mismatch', detail: mismatch };
  }
  return routed(call, server, own, changes, tool?.repeatable ?? false);
}

/** Undefined where the caller's profile lets it use the tool. */
export function refuseTool(call: Permitted, server: Pick<Server, 'name'>, own: string): Fault | undefined {
  const exposed = exposedName(server.name, own);
  const permit = permitTool(call.profile, exposed);
  if (permit.allowed || call.profile.enforcementMode !== 'enforce') return undefined;
  const detail = `Tool ${JSON.stringify(exposed)} is not allowed for you by the ${permit.reason} of profile ${JSON.stringify(call.profile.name)}.`;
  return { fault: 'forbidden', detail };
}

/** Tasks belong to the instance that made them, and to the caller who had them made (Tasks extension, SEP-2663). */
function routeTask(call: Permitted, { taskIds }: RouteParts): Routed | Fault {
  const undeclared = tasksUndeclared(call);
  if (undeclared) return undeclared;
  const sealed = taskIdOf(call.message.params);
  if (sealed === undefined)
    return {
      fault: 'bad_params',
      detail: 'params.taskId is missing: the id that the task was given, a string.',
    };
  const task = taskIds.open(call.principal, sealed);
  const server = task && call.snapshot.servers.get(serverKey(call.principal.tenantId, task.server));
  if (!task || !server || (call.door.door === 'server' && call.door.name !== server.name))
    return { fault: 'bad_params', detail: 'params.taskId is the id of no task of yours here.' };
  const isRead = call.message.method === 'tasks/get';
  const changes = { taskId: JSON.stringify(task.own) };
  return { ...routed(call, server, call.message.method, changes, isRead), pinnedTo: task.instanceId };
}

const namesLegacyTask = (method: string): boolean => isLegacyTaskMethod(method) && method !== 'tasks/list';

/** Tasks of 2025-11-25 belong to the caller who had them made, too: their ids are sealed like those of the extension. */
function routeLegacyTask(call: Permitted, name: ServerName, { legacyTasks }: RouteParts): Routed | Fault {
  const server = findServer(call.snapshot, call.principal.tenantId, name);
  if ('fault' in server) return server;
  const task = legacyTasks.named(call);
  if ('fault' in task) return task;
  const { method } = call.message;
  const changes = { taskId: JSON.stringify(task.own) };
  return { ...routed(call, server, method, changes, method === 'tasks/get'), pinnedTo: task.instanceId };
}

const tasksExtension = 'io.modelcontextprotocol/tasks';

function tasksUndeclared({ spoken }: Permitted): Fault | undefined {
  const extensions = spoken.era === 'modern' ? spoken.clientCapabilities['extensions'] : undefined;
  if (isJsonObject(extensions) && extensions[tasksExtension] !== undefined) return undefined;
  const detail = `Tasks need the client capability extensions[${JSON.stringify(tasksExtension)}].`;
  return { fault: 'missing_capability', detail, required: { extensions: { [tasksExtension]: {} } } };
}

function routeCompletion(call: Permitted, door: SharedDoor, parts: RouteParts): Routed | Fault {
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
  const owned = byUri ? uriOwner(call, door, named) : nameOwner(call, 'prompts', named, door, parts);
  if ('fault' in owned) return owned;
  const ownRef = { ...ref, [member]: owned.own };
  return routed(call, owned.server, owned.own, { ref: JSON.stringify(ownRef) }, true);
}

export interface Found {
  readonly server: Server;
  readonly own: string;
}

function nameOwner(
  call: Permitted,
  kind: 'tools' | 'prompts',
  exposed: string | undefined,
  door: SharedDoor,
  { catalog }: RouteParts,
): Found | Fault {
  if (exposed === undefined)
    return { fault: 'bad_params', detail: 'params.name is missing: a string such as "mcp.<server>.<tool>".' };
  const owned = catalog.views.ownerOf(kind, door, call.principal.tenantId, exposed);
  const canonical = door.door === 'aggregate' && door.names === 'canonical';
  const hint = canonical
    ? 'names here are "mcp.<server>.<tool>" as tools/list and prompts/list give them.'
    : 'names here are those that tools/list and prompts/list give.';
  return owner(call, owned, { fault: 'unknown_tool', name: exposed.slice(0, 256), hint });
}

/** Whose resource this is at the door, and its URI there. */
export function uriOwner(
  call: Pick<Permitted, 'snapshot' | 'principal'>,
  door: SharedDoor,
  exposed: string | undefined,
): Found | Fault {
  if (exposed === undefined)
    return { fault: 'bad_params', detail: 'params.uri is missing: a string as resources/list gives it.' };
  return owner(call, ownerAt(call, door, exposed), { fault: 'unknown_resource', uri: exposed.slice(0, 512) });
}

function ownerAt(
  { snapshot, principal }: Pick<Permitted, 'snapshot' | 'principal'>,
  door: SharedDoor,
  exposed: string,
): Owned | undefined {
  if (door.door === 'aggregate') return ownedUri(exposed);
  const definition = snapshot.virtuals.get(serverKey(principal.tenantId, door.name));
  return definition && virtualUriOwner(definition, exposed);
}

function owner(
  call: Pick<Permitted, 'snapshot' | 'principal'>,
  owned: Owned | undefined,
  unknown: Fault,
): Found | Fault {
  if (!owned) return unknown;
  const server = call.snapshot.servers.get(serverKey(call.principal.tenantId, owned.server));
  if (server) return { server, own: owned.own };
  if (unknown.fault !== 'unknown_tool') return unknown;
  return { ...unknown, hint: `there is no server ${JSON.stringify(owned.server)} here (any more).` };
}

export function findVirtual(snapshot: Snapshot, tenantId: TenantId, name: ServerName): VirtualServer | Fault {
  const virtual = snapshot.virtuals.get(serverKey(tenantId, name));
  if (virtual) return virtual;
  const known = [...snapshot.virtuals.values()].filter((v) => v.tenantId === tenantId).map((v) => v.name);
  return { fault: 'unknown_server', server: name, known };
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
  return { ...call, server, target, changes, idempotent };
}
