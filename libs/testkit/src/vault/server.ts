/**
 * A server that answers as Vault's public HTTP API says, for tests: key-value engines of both versions, a database engine
 * with leases, AppRole and Kubernetes logins, tokens, policies, namespaces, seal states, standby, rate limits.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerOfAuth, answerOfLogin } from './auth.ts';
import { answerOfEngine } from './engines.ts';
import { errors, noRoute, refused, type VaultReply, type VaultRequest } from './replies.ts';
import { isAllowed, VaultState, type Namespace } from './state.ts';
import { answerOfSystem, health } from './system.ts';

export type VaultCondition =
  | 'active'
  | 'sealed'
  /** Answers with a redirect to a node that is active. */
  | 'standby'
  /** Every request is over its quota. */
  | 'rate_limited'
  /** Takes requests and says nothing. */
  | 'silent'
  | 'broken'
  /** Not JSON, under a status that says all is well. */
  | 'babbling';

export interface VaultServerOptions {
  readonly nowMs?: () => number;
  /** False: as the edition without namespaces. */
  readonly namespaces?: boolean;
  readonly port?: number;
  /** Of an earlier one: what a Vault that is started again still has. */
  readonly state?: VaultState;
  readonly serviceAccounts?: ReadonlyMap<string, string>;
}

export interface VaultServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly rootToken: string;
  readonly state: VaultState;
  condition: VaultCondition;
  /** Method and path of every request, in order. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

const bodyBytesMax = 1 << 20;
const capabilities: Readonly<Partial<Record<string, string>>> = {
  GET: 'read',
  LIST: 'list',
  DELETE: 'delete',
};

export async function startVaultServer(options: VaultServerOptions = {}): Promise<VaultServer> {
  const state = options.state ?? new VaultState(options.nowMs ?? Date.now);
  const root = state.newToken({
    namespace: '',
    policies: ['root'],
    ttlMs: Infinity,
    ttlMsMax: Infinity,
    renewable: false,
  });
  const requests: string[] = [];
  const settings: Settings = {
    state,
    namespacesKnown: options.namespaces ?? true,
    serviceAccounts: options.serviceAccounts ?? new Map(),
    condition: () => face.condition,
    url: () => face.url,
  };
  const server = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    void serve(request, response, settings);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const face: VaultServer = {
    url: `http://127.0.0.1:${port}`,
    port,
    rootToken: root.id,
    state,
    condition: 'active',
    requests,
    close,
    [Symbol.asyncDispose]: close,
  };
  return face;
}

interface Settings {
  readonly state: VaultState;
  readonly namespacesKnown: boolean;
  readonly serviceAccounts: ReadonlyMap<string, string>;
  readonly condition: () => VaultCondition;
  readonly url: () => string;
}

async function serve(request: IncomingMessage, response: ServerResponse, settings: Settings): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://vault');
  const path = url.pathname.replace(/^\/v1\//, '');
  const body = await bodyOf(request).catch(() => undefined);
  const condition = settings.condition();
  if (condition === 'silent') return;
  if (condition === 'babbling') {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>a proxy says hello</html>');
    return;
  }
  const reply =
    body === undefined ? errors(400, 'error parsing JSON') : answer(request, path, url, body, settings);
  response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
  response.end(reply.body === undefined ? undefined : JSON.stringify(reply.body));
}

function answer(
  { method = 'GET', headers }: IncomingMessage,
  path: string,
  url: URL,
  body: VaultRequest['body'],
  settings: Settings,
): VaultReply {
  const { state } = settings;
  const barred = barredBy(path, settings);
  if (barred) return barred;
  const namespace = namespaceOf(headers['x-vault-namespace'], settings);
  if (!namespace) return noRoute(path);
  const tokenId = headers['x-vault-token'];
  const token = state.token(typeof tokenId === 'string' ? tokenId : undefined);
  const verb = method === 'GET' && url.searchParams.get('list') === 'true' ? 'LIST' : method;
  const request = { method: verb, path, query: url.searchParams, namespace, token, body, state };
  const login = answerOfLogin(request, settings);
  if (login) return login;
  if (!token) return refused;
  const found = state.mountAt(namespace, path);
  if (!mayDo(request, found?.mount.secrets.has(found.rest) === true)) return refused;
  if (path.startsWith('sys/')) return answerOfSystem(request, settings);
  if (path.startsWith('auth/')) return answerOfAuth(request);
  return found ? answerOfEngine(request, found.name, found.mount, found.rest) : noRoute(path);
}

function mayDo({ token, namespace, path, method, state }: VaultRequest, exists: boolean): boolean {
  if (!token) return false;
  if (path.startsWith('sys/internal/ui/mounts/')) return true;
  const wanted = capabilities[method] ?? (exists ? 'update' : 'create');
  const either = wanted === 'create' ? ['create', 'update'] : [wanted];
  return either.some((capability) => isAllowed(state, token, namespace.path, path, capability));
}

/** What is said whatever was asked. */
function barredBy(
  path: string,
  { condition, state, namespacesKnown, url }: Settings,
): VaultReply | undefined {
  const now = condition();
  if (path === 'sys/health') {
    const seen = now === 'sealed' || now === 'standby' ? now : 'active';
    return health(seen, state.nowMs(), namespacesKnown);
  }
  switch (now) {
    case 'sealed':
      return errors(503, 'Vault is sealed');
    case 'standby':
      return { status: 307, headers: { location: `${url()}/v1/${path}` } };
    case 'rate_limited':
      return {
        ...errors(429, `request path "${path}": rate limit quota exceeded`),
        headers: { 'retry-after': '2' },
      };
    case 'broken':
      return errors(500, 'internal error');
    default:
      return undefined;
  }
}

/** The edition without namespaces takes no notice of the header. */
function namespaceOf(
  header: string | string[] | undefined,
  { state, namespacesKnown }: Settings,
): Namespace | undefined {
  const path = namespacesKnown && typeof header === 'string' ? header.replace(/^\/+|\/+$/g, '') : '';
  return state.namespaces.get(path);
}

async function bodyOf(request: IncomingMessage): Promise<VaultRequest['body']> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > bodyBytesMax) throw new Error('too large');
    pieces.push(piece);
  }
  const all = Buffer.concat(pieces).toString();
  return all === '' ? {} : (JSON.parse(all) as VaultRequest['body']);
}
