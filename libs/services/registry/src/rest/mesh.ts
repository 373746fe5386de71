/** The mesh facade: services by address and port, over the same rows as everything else. */

import {
  meshDeregisteredSchema,
  meshDiscoverQuerySchema,
  meshDiscoverSchema,
  meshRegisteredSchema,
  meshRegisterSchema,
  meshServicesQuerySchema,
  meshServicesSchema,
} from '@cruvero/contracts';
import { readInstanceId, readServerName } from '@cruvero/core';
import type { InstanceId, InstanceRecord, JsonObject, Principal, ServerName, TenantId } from '@cruvero/core';
import { recordChange, settleServer } from '../changes.ts';
import { endpointProblem } from '../endpoint-policy.ts';
import { dropInstances } from '../lifecycle.ts';
import { tenantFor } from './authenticate.ts';
import type { RestParts } from './parts.ts';
import { notFound, ok, problem } from './reply.ts';
import type { RestReply } from './reply.ts';
import { noQuery, nothing, route } from './route.ts';
import type { Route } from './route.ts';
import { meshState } from './views.ts';

const base = '/api/v1/mesh/v2';
const instancesMax = 256;

/** By convention the service of the server `github` is `mcp-github`; both names are understood. */
const bareName = (service: string): ServerName | undefined => readServerName(service.replace(/^mcp-/, ''));
const serviceName = (name: ServerName): string => `mcp-${name}`;

const textIn = (metadata: JsonObject, key: string): string | undefined => {
  const value = metadata[key];
  return typeof value === 'string' ? value : undefined;
};

/** `scheme` and `path` may stand in the metadata; MCP is at /mcp unless said. */
function endpointOf(address: string, port: number, metadata: JsonObject): string | undefined {
  const scheme = textIn(metadata, 'scheme') === 'https' ? 'https' : 'http';
  const path = textIn(metadata, 'path') ?? '/mcp';
  const host = address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
  if (!/^[A-Za-z0-9._:[\]-]+$/.test(host) || !path.startsWith('/')) return undefined;
  const text = `${scheme}://${host}:${port}${path}`;
  return URL.canParse(text) ? text : undefined;
}

const portOf = (url: URL): number => Number(url.port || (url.protocol === 'https:' ? 443 : 80));

function serviceView(row: InstanceRecord) {
  const url = row.endpoint !== undefined && URL.canParse(row.endpoint) ? new URL(row.endpoint) : undefined;
  return {
    id: row.instanceId,
    name: serviceName(row.serverName),
    address: url?.hostname ?? '',
    port: url ? portOf(url) : 0,
    tags: row.tags,
    metadata: { mcp_server: row.serverName, ...row.metadata },
    state: meshState[row.healthStatus],
  };
}

async function instancesOf(
  { store }: RestParts,
  tenant: TenantId,
  service: string | undefined,
): Promise<readonly InstanceRecord[]> {
  if (service !== undefined) {
    const name = bareName(service);
    return name ? store.instances(tenant, name) : [];
  }
  const { instances } = await store.everything();
  return instances.filter((row) => row.tenantId === tenant);
}

export const meshRegister = (parts: RestParts): Route =>
  route({
    method: 'post',
    path: `${base}/register`,
    id: 'meshRegister',
    summary: 'Registers an instance of a service by address and port.',
    query: noQuery,
    body: meshRegisterSchema,
    answers: { 200: meshRegisteredSchema },
    handle: async ({ principal, body }) => {
      const metadata = body.metadata as JsonObject;
      const name = readServerName(metadata['mcp_server']) ?? bareName(body.service_name);
      const endpoint = endpointOf(body.address, body.port, metadata);
      const id = readInstanceId(
        body.service_id ??
          `${body.service_name}-${body.address.replace(/[^A-Za-z0-9.-]/g, '_')}-${body.port}`,
      );
      const wrong = endpoint === undefined ? 'is not a host name or IP address' : endpointProblem(endpoint);
      if (wrong !== undefined || endpoint === undefined)
        return problem(400, 'bad_request', `The address ${wrong}.`);
      if (!name || !id)
        return problem(
          400,
          'bad_request',
          'service_name (or metadata.mcp_server) gives no valid server name.',
        );
      const refused = await register(parts, principal, { name, id, endpoint, tags: body.tags, metadata });
      if (refused) return refused;
      parts.changed();
      return ok({
        service_id: id,
        status: 'registered',
        message: `${body.service_name} is registered as server ${name}.`,
      });
    },
  });

interface Registration {
  readonly name: ServerName;
  readonly id: InstanceId;
  readonly endpoint: string;
  readonly tags: readonly string[];
  readonly metadata: JsonObject;
}

function register(
  parts: RestParts,
  { tenantId }: Principal,
  { name, id, ...rest }: Registration,
): Promise<RestReply | undefined> {
  const nowMs = parts.clock.nowMs();
  return parts.store.transaction(async (tx) => {
    const known = await tx.get(tenantId, name);
    const wrong = endpointProblem(rest.endpoint, known?.allowedEndpoints);
    if (wrong !== undefined) return problem(400, 'bad_request', `The address ${wrong}.`);
    const instances = await tx.instances(tenantId, name);
    if (instances.length >= instancesMax)
      return problem(409, 'too_many', `The server has ${instancesMax} instances already.`);
    if (!known) {
      const fresh = {
        debug: false,
        source: 'api',
        status: 'pending',
        toolCount: 0,
        healthStatus: 'unknown',
      } as const;
      await tx.upsert({
        tenantId,
        name,
        transport: 'http',
        endpoint: rest.endpoint,
        lastSeenMs: nowMs,
        ...fresh,
      });
    } else if (known.status === 'deregistered') {
      await tx.updateStatus(tenantId, name, 'pending');
    }
    await tx.upsertInstance({
      tenantId,
      serverName: name,
      instanceId: id,
      transport: 'http',
      weight: 1,
      healthStatus: 'unknown',
      lastSeenMs: nowMs,
      ...rest,
    });
    await settleServer(tx, parts.change, tenantId, name);
    await recordChange(tx, parts.change, { action: 'server.upserted', tenantId, server: name });
    return undefined;
  });
}

export const meshServices = (parts: RestParts): Route =>
  route({
    method: 'get',
    path: `${base}/services`,
    id: 'meshServices',
    summary:
      'Instances of every service, or of the one that `name` gives (with or without the leading mcp-).',
    query: meshServicesQuerySchema,
    body: nothing,
    answers: { 200: meshServicesSchema },
    handle: async ({ principal, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const services = (await instancesOf(parts, tenant, query.name)).map(serviceView);
      return ok({ services, count: services.length });
    },
  });

export const meshDiscover = (parts: RestParts): Route =>
  route({
    method: 'get',
    path: `${base}/discover/{service}`,
    id: 'meshDiscover',
    summary:
      'Instances of one service with their state. `use_cache` is taken and has no effect: answers are always fresh.',
    query: meshDiscoverQuerySchema,
    body: nothing,
    answers: { 200: meshDiscoverSchema },
    handle: async ({ principal, path, query }) => {
      const tenant = tenantFor(principal, query.tenant);
      if (typeof tenant !== 'string') return tenant;
      const service = path['service'] ?? '';
      const rows = (await instancesOf(parts, tenant, service)).map(serviceView);
      const instances = rows.map(({ id, address, port, state, tags, metadata }) => ({
        id,
        address: `${address}:${port}`,
        state,
        tags,
        metadata,
      }));
      const healthy = rows.filter((row) => row.state === 'HEALTHY').length;
      return ok({ service_name: service, instances, total: instances.length, healthy });
    },
  });

export const meshDeregister = (parts: RestParts): Route =>
  route({
    method: 'delete',
    path: `${base}/deregister/{id}`,
    id: 'meshDeregister',
    summary: 'Takes an instance out by its service id.',
    query: noQuery,
    body: nothing,
    answers: { 200: meshDeregisteredSchema },
    handle: async ({ principal, path }) => {
      const { tenantId } = principal;
      const row = (await instancesOf(parts, tenantId, undefined)).find(
        (each) => each.instanceId === path['id'],
      );
      if (!row) return notFound('service instance of this id');
      await parts.store.transaction((tx) =>
        dropInstances(tx, { tenantId, name: row.serverName }, [row.instanceId], parts.change),
      );
      parts.changed();
      return ok({
        status: 'deregistered',
        message: `${row.instanceId} of server ${row.serverName} is deregistered.`,
      });
    },
  });
