/** What a Vault holds: namespaces with their mounts, policies and ways to log in; tokens; leases. Times are milliseconds. */

import { randomBytes } from 'node:crypto';

export interface KvVersion {
  /** Undefined where the version was deleted. */
  readonly data: Readonly<Record<string, unknown>> | undefined;
  readonly createdMs: number;
}

export interface Mount {
  readonly type: string;
  /** Of a key-value engine; 1 for others. */
  readonly version: 1 | 2;
  /** Path → versions; a version 1 engine keeps the last one only. */
  readonly secrets: Map<string, KvVersion[]>;
  readonly roles: Map<string, { readonly ttlMs: number; readonly ttlMsMax: number }>;
}

export interface LoginRole {
  readonly policies: readonly string[];
  readonly ttlMs: number;
  readonly ttlMsMax: number;
  readonly roleId: string;
  readonly secretIds: Set<string>;
}

export interface AuthMount {
  readonly type: string;
  readonly roles: Map<string, LoginRole>;
}

export interface Rule {
  /** As written: `+` is one segment, `*` at the end is any rest. */
  readonly path: string;
  readonly capabilities: readonly string[];
}

export interface Namespace {
  /** Without slashes at its ends; empty for the root. */
  readonly path: string;
  readonly mounts: Map<string, Mount>;
  readonly auths: Map<string, AuthMount>;
  readonly policies: Map<string, readonly Rule[]>;
}

export interface Token {
  readonly id: string;
  readonly accessor: string;
  readonly namespace: string;
  readonly policies: readonly string[];
  readonly ttlMs: number;
  readonly renewable: boolean;
  readonly bornMs: number;
  readonly ttlMsMax: number;
  /** Infinity: never. */
  endMs: number;
}

export interface Lease {
  readonly id: string;
  readonly namespace: string;
  readonly ttlMs: number;
  readonly bornMs: number;
  readonly ttlMsMax: number;
  readonly username: string;
  endMs: number;
}

export const emptyNamespace = (path: string): Namespace => ({
  path,
  mounts: new Map(),
  auths: new Map(),
  policies: new Map(),
});

export const newMount = (type: string, version: 1 | 2): Mount => ({
  type,
  version,
  secrets: new Map(),
  roles: new Map(),
});

export const opaque = (prefix: string): string => `${prefix}${randomBytes(18).toString('base64url')}`;

export class VaultState {
  readonly namespaces = new Map<string, Namespace>([['', emptyNamespace('')]]);
  readonly tokens = new Map<string, Token>();
  readonly leases = new Map<string, Lease>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs();
  }

  newToken(spec: Pick<Token, 'namespace' | 'policies' | 'ttlMs' | 'ttlMsMax' | 'renewable'>): Token {
    const bornMs = this.nowMs();
    const token = { ...spec, id: opaque('hvs.'), accessor: opaque(''), bornMs, endMs: bornMs + spec.ttlMs };
    this.tokens.set(token.id, token);
    return token;
  }

  /** Undefined where there is none, or none any more. */
  token(id: string | undefined): Token | undefined {
    const token = id === undefined ? undefined : this.tokens.get(id);
    return token && token.endMs > this.nowMs() ? token : undefined;
  }

  lease(id: string): Lease | undefined {
    const lease = this.leases.get(id);
    return lease && lease.endMs > this.nowMs() ? lease : undefined;
  }

  /** The longest mount that the path begins with, and the rest behind it. */
  mountAt(
    namespace: Namespace,
    path: string,
  ): { readonly name: string; readonly mount: Mount; readonly rest: string } | undefined {
    const names = [...namespace.mounts.keys()].sort((a, b) => b.length - a.length);
    for (const name of names) {
      const mount = namespace.mounts.get(name);
      if (mount && path.startsWith(`${name}/`)) return { name, mount, rest: path.slice(name.length + 1) };
    }
    return undefined;
  }
}

/** Whether a token may do this; paths of policies count from the token's own namespace. */
export function isAllowed(
  state: VaultState,
  token: Token,
  namespace: string,
  path: string,
  capability: string,
): boolean {
  if (token.policies.includes('root')) return true;
  const own = token.namespace === '' ? '' : `${token.namespace}/`;
  const target = namespace === '' ? path : `${namespace}/${path}`;
  if (!target.startsWith(own)) return false;
  const relative = target.slice(own.length);
  if (namespace === token.namespace && /^auth\/token\/(lookup|renew|revoke)-self$/.test(path)) return true;
  const { policies } = state.namespaces.get(token.namespace) ?? emptyNamespace('');
  return token.policies.some((name) =>
    (policies.get(name) ?? []).some(
      (rule) => pathMatches(rule.path, relative) && rule.capabilities.includes(capability),
    ),
  );
}

export function pathMatches(pattern: string, path: string): boolean {
  const open = pattern.endsWith('*');
  const wanted = (open ? pattern.slice(0, -1) : pattern).split('/');
  const got = path.split('/');
  if (open ? got.length < wanted.length : got.length !== wanted.length) return false;
  return wanted.every((segment, at) => {
    const isLast = at === wanted.length - 1;
    const is = got[at] ?? '';
    if (segment === '+') return true;
    return open && isLast ? is.startsWith(segment) : is === segment;
  });
}

/** Policies in the usual form: `path "kv/*" { capabilities = ["read"] }`, one after the other. */
export function readPolicy(text: string): readonly Rule[] {
  const rules: Rule[] = [];
  for (const [, path = '', body = ''] of text.matchAll(/path\s+"([^"]+)"\s*\{([^}]*)\}/g)) {
    const list = /capabilities\s*=\s*\[([^\]]*)\]/.exec(body)?.[1] ?? '';
    rules.push({ path, capabilities: [...list.matchAll(/"(\w+)"/g)].map(([, word = '']) => word) });
  }
  return rules;
}

/** Seconds as a number, or `90s`, `15m`, `1h`. */
export function readTtlMs(value: unknown, orElseMs: number): number {
  if (typeof value === 'number') return value * 1_000;
  const [, amount, unit = 's'] = typeof value === 'string' ? (/^(\d+)([smh]?)$/.exec(value) ?? []) : [];
  if (amount === undefined) return orElseMs;
  return Number(amount) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? 1_000);
}
