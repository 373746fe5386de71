/** A Vault to test against: the one of the testkit, or a real one that is named by the environment; made empty afterwards. */

import { randomBytes } from 'node:crypto';
import { SecretText, type Integration } from '@cruvero/core';
import type { Clock, CredentialProvider, Log } from '@cruvero/ports';
import type { CredentialProviderRig } from '@cruvero/ports/contracts/credential-provider';
import { MemoryTelemetry, startVaultServer, type VaultServer } from '@cruvero/testkit';
import { readVaultPath, type VaultPath } from './path.ts';
import { openVault, type VaultAuth, type VaultConfig } from './provider.ts';

export interface Target extends AsyncDisposable {
  readonly address: string;
  readonly token: string;
  /** Absent where it is a real one. */
  readonly own: VaultServer | undefined;
  readonly hasNamespaces: boolean;
}

export const realAddress = process.env['CRUVERO_TEST_VAULT_ADDR'];
const realToken = process.env['CRUVERO_TEST_VAULT_TOKEN'] ?? '';

export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, work) => {
    const timer = setTimeout(work, delayMs).unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every: (intervalMs, work) => {
    const timer = setInterval(work, intervalMs).unref();
    return { cancel: () => clearInterval(timer) };
  },
};

export async function openTarget(options: Parameters<typeof startVaultServer>[0] = {}): Promise<Target> {
  if (realAddress === undefined) {
    const own = await startVaultServer(options);
    return {
      address: own.url,
      token: own.rootToken,
      own,
      hasNamespaces: options.namespaces ?? true,
      [Symbol.asyncDispose]: () => own.close(),
    };
  }
  const bare = { address: realAddress, token: realToken };
  const listed = await admin(bare, 'GET', 'sys/namespaces?list=true');
  const hasNamespaces =
    listed.status === 200 || (listed.status === 404 && errorsOf(listed.body).length === 0);
  return { ...bare, own: undefined, hasNamespaces, [Symbol.asyncDispose]: async () => undefined };
}

export interface AdminReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const errorsOf = (body: AdminReply['body']): readonly unknown[] =>
  Array.isArray(body['errors']) ? body['errors'] : [];

/** As an operator with the root token; fails a test where Vault does not do as it is told. */
export async function admin(
  { address, token }: Pick<Target, 'address' | 'token'>,
  method: string,
  path: string,
  body?: object,
  namespace = '',
): Promise<AdminReply> {
  const response = await fetch(`${address}/v1/${path}`, {
    method,
    headers: {
      'x-vault-token': token,
      'content-type': 'application/json',
      ...(namespace === '' ? {} : { 'x-vault-namespace': namespace }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });
  const text = await response.text();
  const said = text === '' ? {} : (JSON.parse(text) as AdminReply['body']);
  if (response.status >= 400 && response.status !== 404)
    throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(said)}`);
  return { status: response.status, body: said };
}

/** Below a name of its own, so that nothing of anybody is touched, and all of it can be taken away. */
export class Grounds implements AsyncDisposable {
  readonly target: Target;
  readonly name = `cruvero-test-${randomBytes(4).toString('hex')}`;
  readonly path: VaultPath;
  readonly #inNamespaces: boolean;
  readonly #version: 1 | 2;
  readonly #undo: (() => Promise<unknown>)[] = [];
  readonly #mounted = new Set<string>();

  constructor(target: Target, version: 1 | 2, inNamespaces: boolean) {
    this.target = target;
    this.#version = version;
    this.#inNamespaces = inNamespaces;
    const path = readVaultPath(`${this.name}/tenant-{id}/kv`);
    if ('problem' in path) throw new Error(path.problem);
    this.path = path;
  }

  admin(method: string, path: string, body?: object, namespace = ''): Promise<AdminReply> {
    return admin(this.target, method, path, body, namespace);
  }

  onEnd(undo: () => Promise<unknown>): void {
    this.#undo.push(undo);
  }

  /** The tenant's namespace and mount, made on first use. */
  async placeOf(tenant: string): Promise<{ readonly namespace: string; readonly mount: string }> {
    const namespace = this.#inNamespaces ? `${this.name}/tenant-${tenant}` : '';
    const mount = this.#inNamespaces ? 'kv' : `${this.name}/tenant-${tenant}/kv`;
    if (this.#mounted.has(tenant)) return { namespace, mount };
    if (this.#inNamespaces) await this.#makeNamespace(tenant);
    const engine = { type: 'kv', options: { version: String(this.#version) } };
    await this.admin('POST', `sys/mounts/${mount}`, engine, namespace);
    this.onEnd(() => this.admin('DELETE', `sys/mounts/${mount}`, undefined, namespace));
    this.#mounted.add(tenant);
    return { namespace, mount };
  }

  async #makeNamespace(tenant: string): Promise<void> {
    if (this.#mounted.size === 0) {
      await this.admin('POST', `sys/namespaces/${this.name}`);
      this.onEnd(() => this.admin('DELETE', `sys/namespaces/${this.name}`));
    }
    await this.admin('POST', `sys/namespaces/tenant-${tenant}`, undefined, this.name);
    this.onEnd(() => this.admin('DELETE', `sys/namespaces/tenant-${tenant}`, undefined, this.name));
  }

  async store(tenant: string, integration: string, fields: Readonly<Record<string, string>>): Promise<void> {
    const { namespace, mount } = await this.placeOf(tenant);
    // A real one makes the engine ready for versions a moment after it was mounted.
    for (let left = 40; ; left -= 1) {
      const [path, body] = this.#version === 2 ? ['data/', { data: fields }] : ['', fields];
      try {
        return void (await this.admin('POST', `${mount}/${path}${integration}`, body, namespace));
      } catch (error) {
        if (left === 0 || !String(error).includes('pgrad')) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async remove(tenant: string, integration: string): Promise<void> {
    const { namespace, mount } = await this.placeOf(tenant);
    const path = this.#version === 2 ? 'data/' : '';
    await this.admin('DELETE', `${mount}/${path}${integration}`, undefined, namespace);
  }

  /** All but how to log in. */
  get settings(): Omit<VaultConfig, 'auth'> {
    return {
      address: this.target.address,
      authNamespace: '',
      path: this.path,
      namespaces: this.#inNamespaces ? 'auto' : 'no',
      kvVersion: 'auto',
      dynamic: new Map<Integration, string>(),
      timeoutMs: 5_000,
    };
  }

  provider(
    more: Partial<VaultConfig> = {},
    clock: Clock = realClock,
    log: Log = new MemoryTelemetry().log,
  ): CredentialProvider {
    const auth: VaultAuth = { kind: 'token', token: new SecretText(this.target.token) };
    return openVault({ ...this.settings, auth, ...more }, { clock, random: () => 0.5, log });
  }

  /** Last first; one that fails does not keep the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo().catch(() => undefined);
    await this.target[Symbol.asyncDispose]();
  }
}

export async function contractRig(
  target: Target,
  version: 1 | 2,
  inNamespaces: boolean,
): Promise<CredentialProviderRig> {
  const grounds = new Grounds(target, version, inNamespaces);
  for (const tenant of ['acme', 'globex']) await grounds.placeOf(tenant);
  const provider = grounds.provider();
  return {
    provider,
    store: (...asked) => grounds.store(...asked),
    remove: (...asked) => grounds.remove(...asked),
    [Symbol.asyncDispose]: async () => {
      await provider[Symbol.asyncDispose]();
      await grounds[Symbol.asyncDispose]();
    },
  };
}
