/** An announcement becomes a server row and an instance row; the same announcement again changes nothing. */

import type { AnnounceEvent } from '@cruvero/contracts';
import { readInstanceId, readServerName, readTenantId } from '@cruvero/core';
import type { InstanceRecord, JsonObject, ServerRecord, ServerStatus, TenantId } from '@cruvero/core';
import type { InstanceDraft, ServerDraft, StoreTransaction } from '@cruvero/ports';
import { recordChange, settleServer } from './changes.ts';
import type { ChangeParts, Outcome } from './changes.ts';
import { announcedProblem } from './endpoint-policy.ts';

export interface AnnounceParts extends ChangeParts {
  readonly tenantId: TenantId;
  readonly acceptInproc: boolean;
}

export interface Applied {
  readonly outcome: Outcome;
  /** Why it was refused. */
  readonly detail?: string;
}

const instancesMax = 256;
const unreachable =
  'It speaks stdio in a process of its own; put the stdio-bridge in front of it to make it reachable.';

type Payload = AnnounceEvent['payload'];

function refusal(
  payload: Payload,
  parts: AnnounceParts,
  known: ServerRecord | undefined,
): string | undefined {
  const { transport, endpoint } = payload;
  if (transport === 'stdio') return undefined;
  if (endpoint === undefined) return `transport ${transport} needs an endpoint`;
  if (transport === 'inproc') {
    if (!parts.acceptInproc) return 'transport inproc exists only inside one process';
    return /^inproc:\/\/[A-Za-z0-9._:/-]+$/.test(endpoint)
      ? undefined
      : 'the endpoint must begin with inproc://';
  }
  return announcedProblem(endpoint, known);
}

/** Older announcers write schemas in snake case; every listing afterwards has the protocol's own names. */
function asListed(tool: JsonObject): JsonObject {
  if (!('input_schema' in tool) && !('output_schema' in tool)) return tool;
  const { input_schema: input, output_schema: output, ...rest } = tool;
  return {
    ...rest,
    ...(input === undefined || 'inputSchema' in rest ? {} : { inputSchema: input }),
    ...(output === undefined || 'outputSchema' in rest ? {} : { outputSchema: output }),
  };
}

/** An operator's word stands; a row that was taken out comes back by announcing itself. */
function statusAfter(known: ServerRecord | undefined): ServerStatus {
  if (!known || known.status === 'deregistered') return 'pending';
  return known.status;
}

function serverDraft(
  payload: Payload,
  known: ServerRecord | undefined,
  tenantId: TenantId,
  nowMs: number,
): ServerDraft {
  const name = readServerName(payload.server);
  if (!name) throw new Error('the schema lets valid server names through only');
  const tools = (payload.tools as readonly JsonObject[]).map(asListed);
  return {
    ...keptOf(known),
    tenantId,
    name,
    transport: payload.transport,
    ...(payload.transport === 'stdio' || payload.endpoint === undefined
      ? {}
      : { endpoint: payload.endpoint }),
    ...(payload.command === undefined ? {} : { command: payload.command }),
    ...(payload.args === undefined ? {} : { args: payload.args }),
    // What somebody wrote down keeps its source: it does not go when its instances go.
    source: known && known.source !== 'nats' ? known.source : (payload.source ?? 'nats'),
    status: statusAfter(known),
    toolCount: tools.length,
    ...(payload.version === undefined ? {} : { version: payload.version }),
    capabilities: payload.capabilities as JsonObject,
    tools,
    lastSeenMs: nowMs,
  };
}

/** What an announcement does not speak of: it stays as it was. */
function keptOf(
  known: ServerRecord | undefined,
): Pick<ServerDraft, 'debug' | 'healthStatus'> & Partial<ServerDraft> {
  if (!known) return { debug: false, healthStatus: 'unknown' };
  const { debug, healthStatus, healthReason, lastHealthyMs, envVars, allowedEndpoints, credential } = known;
  return {
    debug,
    healthStatus,
    ...(healthReason === undefined ? {} : { healthReason }),
    ...(lastHealthyMs === undefined ? {} : { lastHealthyMs }),
    ...(envVars === undefined ? {} : { envVars }),
    ...(allowedEndpoints === undefined ? {} : { allowedEndpoints }),
    ...(credential === undefined ? {} : { credential }),
  };
}

function instanceDraft(
  payload: Payload,
  server: ServerDraft,
  known: InstanceRecord | undefined,
  nowMs: number,
): InstanceDraft {
  const instanceId = readInstanceId(payload.instance_id);
  if (!instanceId) throw new Error('the schema lets valid instance ids through only');
  const stdio = payload.transport === 'stdio';
  return {
    tenantId: server.tenantId,
    serverName: server.name,
    instanceId,
    transport: payload.transport,
    ...(stdio || payload.endpoint === undefined ? {} : { endpoint: payload.endpoint }),
    weight: payload.weight ?? 1,
    tags: payload.tags,
    metadata: payload.metadata as JsonObject,
    ...(payload.version === undefined ? {} : { version: payload.version }),
    ...(payload.capabilities_hash === undefined ? {} : { capabilitiesHash: payload.capabilities_hash }),
    ...(payload.heartbeat_interval_ms === undefined
      ? {}
      : { heartbeatIntervalMs: payload.heartbeat_interval_ms }),
    // Being alive again is for the health monitor to say.
    healthStatus: known?.healthStatus ?? 'unknown',
    ...(stdio
      ? { healthReason: unreachable }
      : known?.healthReason === undefined
        ? {}
        : { healthReason: known.healthReason }),
    ...(known?.lastHealthyMs === undefined ? {} : { lastHealthyMs: known.lastHealthyMs }),
    lastSeenMs: nowMs,
  };
}

/**
 * Everything that somebody outside could notice; two equal texts are the same content. The server's own endpoint is left
 * out: it is the last instance's, and would change with each of them.
 */
function contentOf(server: ServerDraft | undefined, instance: InstanceDraft | undefined): string {
  return JSON.stringify([
    server && [server.transport, server.source, server.status],
    server && [server.version, server.capabilities, server.tools],
    instance && [instance.transport, instance.endpoint, instance.weight, instance.tags, instance.metadata],
    instance && [instance.version, instance.capabilitiesHash, instance.heartbeatIntervalMs],
  ]);
}

export async function applyAnnounce(
  tx: StoreTransaction,
  event: AnnounceEvent,
  parts: AnnounceParts,
): Promise<Applied> {
  const tenantId = readTenantId(event.tenant_id) ?? parts.tenantId;
  const name = readServerName(event.payload.server);
  if (!name) return { outcome: 'refused', detail: 'the server name is not valid' };
  const known = await tx.get(tenantId, name);
  const refused = refusal(event.payload, parts, known);
  if (refused !== undefined) return { outcome: 'refused', detail: refused };
  const instances = await tx.instances(tenantId, name);
  const knownInstance = instances.find((row) => row.instanceId === event.payload.instance_id);
  if (!knownInstance && instances.length >= instancesMax) {
    return { outcome: 'refused', detail: `the server has ${instancesMax} instances already` };
  }
  const nowMs = parts.clock.nowMs();
  const server = serverDraft(event.payload, known, tenantId, nowMs);
  const instance = instanceDraft(event.payload, server, knownInstance, nowMs);
  const changed = contentOf(known, knownInstance) !== contentOf(server, instance);
  await tx.upsert(server);
  await tx.upsertInstance(instance);
  await settleServer(tx, parts, tenantId, name);
  if (!changed) return { outcome: 'unchanged' };
  await recordChange(tx, parts, { action: 'server.upserted', tenantId, server: name });
  return { outcome: 'applied' };
}
