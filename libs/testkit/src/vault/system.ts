/** The system backend: health, mounts, policies, namespaces, leases. */

import {
  done,
  errors,
  noRoute,
  notThere,
  secret,
  text,
  type VaultReply,
  type VaultRequest,
} from './replies.ts';
import { emptyNamespace, newMount, readPolicy, readTtlMs } from './state.ts';

export interface SystemParts {
  readonly namespacesKnown: boolean;
}

export function answerOfSystem(request: VaultRequest, parts: SystemParts): VaultReply {
  const rest = request.path.slice('sys/'.length);
  const [, area = '', name = ''] = /^(mounts|auth|policies\/acl|namespaces)\/?(.*)$/.exec(rest) ?? [];
  switch (area) {
    case 'mounts':
      return ofMounts(request, name);
    case 'auth':
      return ofAuths(request, name);
    case 'policies/acl':
      return ofPolicies(request, name);
    case 'namespaces':
      return parts.namespacesKnown
        ? ofNamespaces(request, name)
        : errors(404, '1 error occurred:\n\t* unsupported path\n\n');
    default:
      if (rest.startsWith('internal/ui/mounts/')) return preflight(request, rest.slice(19));
      return rest.startsWith('leases/') ? ofLeases(request, rest.slice(7)) : noRoute(request.path);
  }
}

/** Health is told by status, to everybody, in every state. */
export function health(
  condition: 'active' | 'standby' | 'sealed',
  nowMs: number,
  namespacesKnown: boolean,
): VaultReply {
  return {
    status: { active: 200, standby: 429, sealed: 503 }[condition],
    body: {
      initialized: true,
      sealed: condition === 'sealed',
      standby: condition !== 'active',
      performance_standby: false,
      server_time_utc: Math.floor(nowMs / 1_000),
      version: '1.20.0',
      enterprise: namespacesKnown,
    },
  };
}

function ofMounts({ method, body, namespace }: VaultRequest, name: string): VaultReply {
  if (method === 'DELETE') {
    namespace.mounts.delete(name);
    return done;
  }
  if (method === 'GET') {
    const all = [...namespace.mounts].map(([path, { type, version }]) => [
      `${path}/`,
      { type, options: { version: String(version) } },
    ]);
    return secret({ data: Object.fromEntries(all) });
  }
  if (namespace.mounts.has(name)) return errors(400, `path is already in use at ${name}/`);
  const type = text(body['type']);
  if (type !== 'kv' && type !== 'database') return errors(400, `plugin not found in the catalog: ${type}`);
  const version = text((body['options'] as { readonly version?: unknown } | undefined)?.version);
  namespace.mounts.set(name, newMount(type, version === '2' ? 2 : 1));
  return done;
}

function ofAuths({ method, body, namespace }: VaultRequest, name: string): VaultReply {
  if (method === 'DELETE') namespace.auths.delete(name);
  else namespace.auths.set(name, { type: text(body['type']), roles: new Map() });
  return done;
}

function ofPolicies({ method, body, namespace }: VaultRequest, name: string): VaultReply {
  if (method === 'DELETE') namespace.policies.delete(name);
  else namespace.policies.set(name, readPolicy(text(body['policy'])));
  return done;
}

function ofNamespaces({ method, namespace, state }: VaultRequest, name: string): VaultReply {
  const inner = (child: string): string => (namespace.path === '' ? child : `${namespace.path}/${child}`);
  if (method === 'LIST' || name === '') {
    const start = namespace.path === '' ? '' : `${namespace.path}/`;
    const keys = [...state.namespaces.keys()]
      .filter((path) => path !== '' && path.startsWith(start) && !path.slice(start.length).includes('/'))
      .map((path) => `${path.slice(start.length)}/`);
    return keys.length === 0 ? notThere : secret({ data: { keys } });
  }
  if (method === 'DELETE') {
    state.namespaces.delete(inner(name));
    return { status: 202, body: {} };
  }
  state.namespaces.set(inner(name), emptyNamespace(inner(name)));
  return secret({ data: { id: name, path: `${inner(name)}/` } });
}

/** What Vault's own command line asks before it reads: of which kind the mount is. */
function preflight({ namespace, state }: VaultRequest, path: string): VaultReply {
  const found = state.mountAt(namespace, `${path}/`);
  if (!found) {
    const message = `preflight capability check returned 403, please ensure client's policies grant access to path "${path}/"`;
    return errors(403, message);
  }
  const { type, version } = found.mount;
  return secret({
    data: { path: `${found.name}/`, type, options: type === 'kv' ? { version: String(version) } : null },
  });
}

function ofLeases({ body, state, namespace }: VaultRequest, part: string): VaultReply {
  const [, prefix] = /^revoke-prefix\/(.+)$/.exec(part) ?? [];
  if (prefix !== undefined) {
    for (const lease of state.leases.values()) if (lease.id.startsWith(prefix)) state.leases.delete(lease.id);
    for (const token of state.tokens.values())
      if (prefix.startsWith('auth/') && token.namespace === namespace.path && token.renewable)
        state.tokens.delete(token.id);
    return done;
  }
  const lease = state.lease(text(body['lease_id']));
  if (!lease) return errors(400, part === 'lookup' ? 'invalid lease' : 'lease not found');
  const nowMs = state.nowMs();
  if (part === 'revoke') {
    state.leases.delete(lease.id);
    return done;
  }
  if (part === 'renew') {
    const wantedMs = readTtlMs(body['increment'], 0) || lease.ttlMs;
    lease.endMs = Math.min(lease.bornMs + lease.ttlMsMax, nowMs + wantedMs);
  }
  return secret({
    lease_id: lease.id,
    renewable: true,
    lease_duration: Math.max(0, Math.round((lease.endMs - nowMs) / 1_000)),
    data: part === 'lookup' ? { id: lease.id, ttl: Math.round((lease.endMs - nowMs) / 1_000) } : null,
  });
}
