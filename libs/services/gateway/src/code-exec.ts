/** What this gateway knows of the code execution server: that it may not be missed silently, and for whom it is called. */

import { createHash } from 'node:crypto';
import {
  serverKey,
  stringParam,
  type Fault,
  type JsonObject,
  type Principal,
  type ServerName,
} from '@cruvero/core';
import type { Permitted, Routed } from './pipeline.ts';

/** The name under which it announces itself. */
const codeExecServer = 'code-exec' as ServerName;
const toolNames: ReadonlySet<string> = new Set(['python_exec', 'bash_exec']);
/** Field of `_meta`; whatever the caller put there is replaced. */
const callerKey = 'cruvero.dev/caller';

/**
 * Where code execution is required and its server is away, a call to it is refused for that reason, and not because the
 * name is unknown: no client should look for another way to run code. `fault` is what would be answered otherwise.
 */
export function refuseWithoutCodeExec(call: Permitted, fault: Fault): Fault {
  if (fault.fault !== 'unknown_tool' && fault.fault !== 'unknown_server') return fault;
  const name = stringParam(call.message.params, 'name') ?? '';
  const atItsDoor = call.door.door === 'server' && call.door.name === codeExecServer;
  if (!atItsDoor && !namesCodeExec(name)) return fault;
  // It is here, so the name is wrong and nothing else.
  if (call.snapshot.servers.has(serverKey(call.principal.tenantId, codeExecServer))) return fault;
  const detail =
    'it has not announced itself or has gone, code runs nowhere else here, and nothing was executed ' +
    '(CRUVERO_CODE_EXEC_MCP_REQUIRED)';
  return { fault: 'upstream_unavailable', server: codeExecServer, detail, neverLeft: true };
}

/** In either style of names, or as the server itself calls them. */
function namesCodeExec(name: string): boolean {
  return toolNames.has(name) || /^mcp[._]code-exec[._]/.test(name);
}

/** The caller's `_meta`; for that server with a name that says nothing of the caller but is always the same for it. */
export function metaFor({
  server,
  principal,
  spoken,
}: Pick<Routed, 'server' | 'principal' | 'spoken'>): JsonObject | undefined {
  if (server.name !== codeExecServer) return spoken.meta;
  return { ...spoken.meta, [callerKey]: callerName(principal) };
}

function callerName({ tenantId, name }: Principal): string {
  return createHash('sha256').update(`${tenantId}\0${name}`).digest('base64url');
}
