/** Calls, servers and snapshots for tests of single parts, each with as little as the test has to say. */

import {
  defaultProfile,
  isFault,
  paramsFrom,
  readInstanceId,
  readServerName,
  readTenantId,
  serverKey,
  type ApiKey,
  type Fault,
  type GatewayId,
  type Instance,
  type JsonObject,
  type PolicyProfile,
  type Principal,
  type Reply,
  type Server,
  type ServerName,
  type Snapshot,
  type TenantId,
} from '@cruvero/core';
import { SimClock } from '@cruvero/testkit';
import { silentCaller, type Caller } from './callers/caller.ts';
import { Deadline } from './deadline.ts';
import type { Door } from './door.ts';
import type { Permitted, Routed } from './pipeline.ts';
import type { ClientSession } from './sessions/client-session.ts';

const present = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the fixture was given a bad name');
  return value;
};

export const tenant = (text = 'default'): TenantId => present(readTenantId(text));
export const serverName = (text: string): ServerName => present(readServerName(text));

export function instance(id = 'i1', over: Partial<Instance> = {}): Instance {
  return {
    instanceId: present(readInstanceId(id)),
    transport: 'http',
    endpoint: `http://${id}.test/mcp`,
    weight: 1,
    tags: [],
    health: 'healthy',
    ...over,
  };
}

export function server(name = 'files', over: Partial<Server> = {}): Server {
  return {
    tenantId: tenant(),
    name: serverName(name),
    strategy: 'round_robin',
    instances: [instance()],
    tools: [],
    ...over,
  };
}

export function snapshot(
  servers: readonly Server[] = [],
  profiles: readonly PolicyProfile[] = [defaultProfile],
  keys: readonly ApiKey[] = [],
): Snapshot {
  return {
    gatewayId: 'gw' as GatewayId,
    versions: { servers: 1, policy: 1, auth: 1 },
    servers: new Map(servers.map((one) => [serverKey(one.tenantId, one.name), one])),
    virtuals: new Map(),
    profiles: new Map(profiles.map((one) => [one.name, one])),
    apiKeys: new Map(keys.map((one) => [one.sha256, one])),
  };
}

export const alice: Principal = { tenantId: tenant(), name: 'alice', scopes: ['mcp'], profile: 'default' };

export const aggregate: Door = { door: 'aggregate', names: 'canonical' };
export const doorOf = (name: string): Door => ({ door: 'server', name: serverName(name) });

export interface CallFacts {
  readonly method?: string;
  readonly params?: JsonObject;
  readonly door?: Door;
  readonly snapshot?: Snapshot;
  readonly principal?: Principal;
  readonly profile?: PolicyProfile;
  readonly spoken?: Permitted['spoken'];
  readonly abort?: AbortController;
  readonly deadline?: Deadline;
  readonly session?: ClientSession;
  readonly caller?: Caller;
  readonly notify?: (text: string) => void;
}

export const legacySpoken: Permitted['spoken'] = { era: 'legacy', version: '2025-11-25', meta: undefined };
export const modernSpoken = (
  clientCapabilities: JsonObject = {},
  meta: JsonObject = {},
): Permitted['spoken'] => ({
  era: 'modern',
  version: '2026-07-28',
  meta,
  clientCapabilities,
});

export function permitted(facts: CallFacts = {}): Permitted {
  const params = paramsFrom(JSON.stringify(facts.params ?? {}));
  const abort = facts.abort ?? new AbortController();
  return {
    door: facts.door ?? aggregate,
    message: { kind: 'request', text: '', idText: '1', method: facts.method ?? 'tools/call', params },
    spoken: facts.spoken ?? legacySpoken,
    snapshot: facts.snapshot ?? snapshot([server()]),
    trace: undefined,
    abort,
    session: facts.session,
    deadline: facts.deadline ?? new Deadline(1e12, abort, new SimClock()),
    caller: facts.caller ?? { ...silentCaller, notify: facts.notify ?? (() => undefined) },
    paramHeaders: undefined,
    pinnedTo: undefined,
    principal: facts.principal ?? alice,
    profile: facts.profile ?? defaultProfile,
  };
}

export function routed(
  facts: CallFacts & Partial<Pick<Routed, 'server' | 'idempotent' | 'target' | 'changes'>> = {},
): Routed {
  return {
    ...permitted(facts),
    server: facts.server ?? server(),
    target: facts.target ?? 'read',
    changes: facts.changes ?? {},
    idempotent: facts.idempotent ?? false,
  };
}

export const done: Reply = { kind: 'result', text: '{}' };

export const neverLeft: Fault = {
  fault: 'upstream_unavailable',
  server: 'files',
  detail: 'refused',
  neverLeft: true,
};
export const timedOut: Fault = { fault: 'upstream_timeout', server: 'files', timeoutMs: 5 };
export const broke: Fault = { fault: 'upstream_broken', server: 'files', detail: 'cut' };

/** The fault, or a failure that shows what came instead. */
export function faulted(value: object): Fault {
  if (!isFault(value)) throw new Error(`expected a fault, got ${JSON.stringify(value)}`);
  return value;
}

/** Always the same row of numbers. */
export function pseudoRandom(): () => number {
  let state = 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}
