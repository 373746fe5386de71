/** Ways to log in (AppRole, Kubernetes), and what a token may do to itself. */

import { authReply, done, errors, noRoute, notThere, refused, secret, text } from './replies.ts';
import type { VaultReply, VaultRequest } from './replies.ts';
import { opaque, readTtlMs, type AuthMount, type LoginRole } from './state.ts';

const hourMs = 3_600_000;

export interface AuthParts {
  /** Service account tokens that the cluster vouches for → the account's name. */
  readonly serviceAccounts: ReadonlyMap<string, string>;
}

/** Logging in needs no token. */
export function answerOfLogin(request: VaultRequest, parts: AuthParts): VaultReply | undefined {
  const [, mountPath = ''] = /^auth\/([\w-]+)\/login$/.exec(request.path) ?? [];
  const mount = request.namespace.auths.get(mountPath);
  if (mountPath === '') return undefined;
  if (!mount) return refused;
  const role =
    mount.type === 'approle' ? roleOfIds(mount, request.body) : roleOfAccount(mount, request.body, parts);
  if (!role) return mount.type === 'approle' ? errors(400, 'invalid role or secret ID') : refused;
  const { state, namespace } = request;
  const token = state.newToken({ ...role, namespace: namespace.path, renewable: true });
  return authReply(token, state.nowMs());
}

function roleOfIds({ roles }: AuthMount, body: VaultRequest['body']): LoginRole | undefined {
  const role = [...roles.values()].find(({ roleId }) => roleId === text(body['role_id']));
  return role?.secretIds.has(text(body['secret_id'])) === true ? role : undefined;
}

function roleOfAccount(
  { roles }: AuthMount,
  body: VaultRequest['body'],
  { serviceAccounts }: AuthParts,
): LoginRole | undefined {
  const role = roles.get(text(body['role']));
  const account = serviceAccounts.get(text(body['jwt']));
  return account !== undefined && role?.secretIds.has(account) === true ? role : undefined;
}

export function answerOfAuth(request: VaultRequest): VaultReply {
  const { path } = request;
  if (path.startsWith('auth/token/')) return ofToken(request, path.slice('auth/token/'.length));
  const [, mountPath = '', rest = ''] = /^auth\/([\w-]+)\/(.+)$/.exec(path) ?? [];
  const mount = request.namespace.auths.get(mountPath);
  if (!mount) return noRoute(path);
  return mount.type === 'approle' ? ofAppRole(request, mount, rest) : ofKubernetes(request, mount, rest);
}

const words = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value.map(String) : text(value).split(',')).filter((word) => word !== '');

const newRole = (body: VaultRequest['body'], accounts: readonly string[]): LoginRole => ({
  policies: ['default', ...words(body['token_policies'])],
  ttlMs: readTtlMs(body['token_ttl'], hourMs),
  ttlMsMax: readTtlMs(body['token_max_ttl'], 32 * 24 * hourMs),
  roleId: opaque('role-'),
  secretIds: new Set(accounts),
});

function ofAppRole({ method, body }: VaultRequest, { roles }: AuthMount, rest: string): VaultReply {
  const [, name = '', part] = /^role\/([\w-]+)(?:\/(role-id|secret-id))?$/.exec(rest) ?? [];
  if (part === undefined && method !== 'GET') {
    roles.set(name, newRole(body, []));
    return done;
  }
  const role = roles.get(name);
  if (!role) return notThere;
  if (part === 'role-id') return secret({ data: { role_id: role.roleId } });
  const secretId = opaque('');
  role.secretIds.add(secretId);
  return secret({ data: { secret_id: secretId, secret_id_accessor: opaque(''), secret_id_ttl: 0 } });
}

function ofKubernetes({ method, body }: VaultRequest, { roles }: AuthMount, rest: string): VaultReply {
  if (rest === 'config') return done;
  const name = /^role\/([\w-]+)$/.exec(rest)?.[1];
  if (name === undefined || method === 'GET') return notThere;
  roles.set(name, newRole(body, words(body['bound_service_account_names'])));
  return done;
}

function ofToken(request: VaultRequest, part: string): VaultReply {
  const { token, state, body, namespace } = request;
  if (!token) return refused;
  const nowMs = state.nowMs();
  switch (part) {
    case 'lookup-self':
      return secret({
        data: {
          id: token.id,
          accessor: token.accessor,
          policies: token.policies,
          ttl: token.endMs === Infinity ? 0 : Math.max(0, Math.round((token.endMs - nowMs) / 1_000)),
          renewable: token.renewable,
          expire_time: token.endMs === Infinity ? null : new Date(token.endMs).toISOString(),
          type: 'service',
        },
      });
    case 'renew-self':
      if (!token.renewable) return errors(400, 'lease is not renewable');
      token.endMs = Math.min(
        token.bornMs + token.ttlMsMax,
        nowMs + readTtlMs(body['increment'], token.ttlMs),
      );
      return authReply(token, nowMs);
    case 'revoke-self':
      state.tokens.delete(token.id);
      return done;
    case 'create': {
      const ttlMs = readTtlMs(body['ttl'], hourMs);
      const made = state.newToken({
        namespace: namespace.path,
        policies: ['default', ...words(body['policies'])],
        ttlMs,
        ttlMsMax: readTtlMs(body['explicit_max_ttl'], 32 * 24 * hourMs),
        renewable: body['renewable'] !== false,
      });
      return authReply(made, nowMs);
    }
    default:
      return noRoute(`auth/token/${part}`);
  }
}
