/** Secret engines: key-value of both versions, and a database engine that makes accounts with a lease. */

import { done, errors, notThere, secret, type VaultReply, type VaultRequest } from './replies.ts';
import { opaque, readTtlMs, type KvVersion, type Mount } from './state.ts';

export function answerOfEngine(request: VaultRequest, name: string, mount: Mount, rest: string): VaultReply {
  if (mount.type === 'database') return database(request, name, mount, rest);
  return mount.version === 2 ? versioned(request, mount, rest) : plain(request, mount, rest);
}

function plain({ method, body, state }: VaultRequest, { secrets }: Mount, path: string): VaultReply {
  const last = secrets.get(path)?.at(-1);
  switch (method) {
    case 'GET':
      return last?.data ? secret({ data: last.data, lease_duration: 2_764_800 }) : notThere;
    case 'POST':
    case 'PUT':
      secrets.set(path, [{ data: body, createdMs: state.nowMs() }]);
      return done;
    case 'DELETE':
      secrets.delete(path);
      return done;
    default:
      return list(method, secrets, path);
  }
}

function list(method: string, secrets: Mount['secrets'], folder: string): VaultReply {
  if (method !== 'LIST') return errors(405, 'unsupported operation');
  const start = folder === '' || folder.endsWith('/') ? folder : `${folder}/`;
  const keys = [...secrets.keys()]
    .filter((key) => key.startsWith(start))
    .map((key) => key.slice(start.length));
  return keys.length === 0 ? notThere : secret({ data: { keys } });
}

const metadataOf = (version: KvVersion, number: number) => ({
  created_time: new Date(version.createdMs).toISOString(),
  custom_metadata: null,
  deletion_time: version.data ? '' : new Date(version.createdMs).toISOString(),
  destroyed: false,
  version: number,
});

function versioned(request: VaultRequest, { secrets }: Mount, rest: string): VaultReply {
  const [, kind, path = ''] = /^(data|metadata)\/(.*)$/.exec(rest) ?? [];
  const { method } = request;
  if (kind === undefined) {
    const warning =
      'Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use.';
    return { status: 404, body: { errors: [], warnings: [warning] } };
  }
  if (kind === 'data') return versionedData(request, secrets, path);
  if (method === 'DELETE') {
    secrets.delete(path);
    return done;
  }
  const versions = secrets.get(path);
  if (method !== 'GET') return list(method, secrets, path);
  if (!versions) return notThere;
  return secret({ data: { current_version: versions.length, oldest_version: 0, max_versions: 0 } });
}

function versionedData(
  { method, body, state }: VaultRequest,
  secrets: Mount['secrets'],
  path: string,
): VaultReply {
  const versions = secrets.get(path) ?? [];
  const last = versions.at(-1);
  switch (method) {
    case 'GET': {
      if (!last) return notThere;
      const metadata = metadataOf(last, versions.length);
      if (last.data) return secret({ data: { data: last.data, metadata } });
      return { ...secret({ data: { data: null, metadata } }), status: 404 };
    }
    case 'POST':
    case 'PUT': {
      const data = body['data'];
      if (typeof data !== 'object' || data === null) return errors(400, 'no data provided');
      const cas = (body['options'] as { readonly cas?: number } | undefined)?.cas;
      if (cas !== undefined && cas !== versions.length)
        return errors(400, 'check-and-set parameter did not match the current version');
      const version = { data: data as KvVersion['data'], createdMs: state.nowMs() };
      secrets.set(path, [...versions, version]);
      return secret({ data: metadataOf(version, versions.length + 1) });
    }
    case 'DELETE':
      if (last) secrets.set(path, versions.with(-1, { ...last, data: undefined }));
      return done;
    default:
      return errors(405, 'unsupported operation');
  }
}

const hourMs = 3_600_000;

function database(
  { method, body, state, namespace }: VaultRequest,
  name: string,
  mount: Mount,
  rest: string,
): VaultReply {
  const [, kind, role = ''] = /^(config|roles|creds)\/([\w-]+)$/.exec(rest) ?? [];
  if (kind === 'config') return done;
  if (kind === 'roles' && method !== 'GET') {
    const ttlMs = readTtlMs(body['default_ttl'], hourMs);
    mount.roles.set(role, { ttlMs, ttlMsMax: readTtlMs(body['max_ttl'], 24 * hourMs) });
    return done;
  }
  const known = mount.roles.get(role);
  if (kind !== 'creds' || method !== 'GET') return notThere;
  if (!known) return errors(400, `unknown role: ${role}`);
  const bornMs = state.nowMs();
  const username = opaque(`v-${role}-`);
  const id = `${name}/creds/${role}/${opaque('')}`;
  const lease = { ...known, id, namespace: namespace.path, bornMs, username, endMs: bornMs + known.ttlMs };
  state.leases.set(id, lease);
  return secret({
    lease_id: id,
    renewable: true,
    lease_duration: Math.round(known.ttlMs / 1_000),
    data: { username, password: opaque('') },
  });
}
