/** The body of a POST or PUT as rows: the server, and one instance for each address. */

import { credentialUse, type ServerPut } from '@cruvero/contracts';
import { readInstanceId } from '@cruvero/core';
import type { InstanceId, JsonObject, ServerName, ServerRecord, TenantId } from '@cruvero/core';
import type { InstanceDraft, ServerDraft, StoreTransaction } from '@cruvero/ports';
import { dropUninvited, recordChange, settleServer } from '../changes.ts';
import type { ChangeParts } from '../changes.ts';
import { endpointProblem } from '../endpoint-policy.ts';
import { problem } from './reply.ts';
import type { RestReply } from './reply.ts';

/** The instance that `endpoint` of the server itself stands for. */
const ownInstance = 'api' as InstanceId;
/** Marks instances that came by REST, so that a PUT replaces those and leaves announced ones alone. */
const writtenTag = 'written_by';

const addressesOf = (body: ServerPut): readonly { where: string; endpoint: string }[] => [
  ...(body.endpoint === undefined ? [] : [{ where: 'endpoint', endpoint: body.endpoint }]),
  ...(body.instances ?? []).map(({ endpoint }, at) => ({ where: `instances.${at}.endpoint`, endpoint })),
];

/** What the schema cannot say. */
export function draftProblem(body: ServerPut): RestReply | undefined {
  const wrong = (where: string, said: string): RestReply =>
    problem(400, 'bad_request', `The request is not as it should be: ${where} ${said}.`, [
      { where: 'body', path: where, problem: said },
    ]);
  const addresses = addressesOf(body);
  if (body.transport === 'stdio') {
    return addresses.length > 0
      ? wrong('endpoint', 'is not for stdio servers, which have a command')
      : undefined;
  }
  if (addresses.length === 0) return wrong('endpoint', `is needed for transport ${body.transport}`);
  const allowed = (body.allowed_endpoints ?? []).findIndex((each) => endpointProblem(each) !== undefined);
  if (allowed >= 0)
    return wrong(`allowed_endpoints.${allowed}`, 'must be an http or https URL that a server may be at');
  for (const { where, endpoint } of addresses) {
    const said = endpointProblem(endpoint, body.allowed_endpoints);
    if (said !== undefined) return wrong(where, said);
  }
  return undefined;
}

function serverDraft(
  tenantId: TenantId,
  name: ServerName,
  body: ServerPut,
  known: ServerRecord | undefined,
): ServerDraft {
  const {
    endpoint,
    command,
    args,
    env_vars: envVars,
    allowed_endpoints: allowedEndpoints,
    credential,
    version,
    capabilities,
  } = body;
  const tools = (body.tools as readonly JsonObject[] | undefined) ?? known?.tools;
  const running = known?.status === 'active' ? 'active' : 'pending';
  return {
    tenantId,
    name,
    transport: body.transport,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(command === undefined ? {} : { command }),
    ...(args === undefined ? {} : { args }),
    ...(envVars === undefined ? {} : { envVars }),
    ...(allowedEndpoints === undefined ? {} : { allowedEndpoints }),
    ...(credential === undefined ? {} : { credential: credentialUse(credential) }),
    debug: body.debug,
    // What the file holds goes with its entry there.
    source: known?.source === 'file' ? 'file' : 'api',
    status: body.status ?? running,
    toolCount: tools?.length ?? 0,
    ...(version === undefined ? {} : { version }),
    ...(capabilities === undefined ? {} : { capabilities: capabilities as JsonObject }),
    ...(tools === undefined ? {} : { tools }),
    healthStatus: known?.healthStatus ?? 'unknown',
    ...(known?.lastHealthyMs === undefined ? {} : { lastHealthyMs: known.lastHealthyMs }),
    ...(known?.lastSeenMs === undefined ? {} : { lastSeenMs: known.lastSeenMs }),
  };
}

function instanceDrafts(
  tenantId: TenantId,
  serverName: ServerName,
  body: ServerPut,
  nowMs: number,
): readonly InstanceDraft[] {
  const draft = (instanceId: InstanceId, endpoint: string): InstanceDraft => ({
    tenantId,
    serverName,
    instanceId,
    transport: body.transport,
    endpoint,
    weight: 1,
    tags: [],
    metadata: { [writtenTag]: 'api' },
    healthStatus: 'unknown',
    lastSeenMs: nowMs,
  });
  if (body.transport === 'stdio') return [];
  const written = (body.instances ?? []).flatMap(({ instance_id: id, endpoint, weight, tags, metadata }) => {
    const instanceId = readInstanceId(id);
    if (!instanceId) return [];
    return [
      {
        ...draft(instanceId, endpoint),
        weight,
        tags,
        metadata: { ...(metadata as JsonObject), [writtenTag]: 'api' },
      },
    ];
  });
  return body.endpoint === undefined || written.length > 0 ? written : [draft(ownInstance, body.endpoint)];
}

export async function writeServer(
  tx: StoreTransaction,
  change: ChangeParts,
  tenantId: TenantId,
  name: ServerName,
  body: ServerPut,
): Promise<void> {
  await tx.upsert(serverDraft(tenantId, name, body, await tx.get(tenantId, name)));
  const before = await tx.instances(tenantId, name);
  for (const row of before) {
    if (row.metadata[writtenTag] === 'api') await tx.deleteInstance(tenantId, name, row.instanceId);
  }
  const drafts = instanceDrafts(tenantId, name, body, change.clock.nowMs());
  for (const draft of drafts) {
    const known = before.find(
      (row) => row.instanceId === draft.instanceId && row.endpoint === draft.endpoint,
    );
    await tx.upsertInstance(known ? { ...draft, healthStatus: known.healthStatus } : draft);
  }
  await dropUninvited(tx, tenantId, name, new Set(drafts.map(({ instanceId }) => instanceId)));
  if ((await tx.instances(tenantId, name)).length > 0) await settleServer(tx, change, tenantId, name);
  await recordChange(tx, change, { action: 'server.upserted', tenantId, server: name });
}
