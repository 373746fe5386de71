/** The CredentialProvider on Vault: a namespace and an engine for each tenant, and leases where an engine gives them. */

import {
  readIntegration,
  readTenantId,
  secretFieldPattern,
  secretFieldsMax,
  secretTextCharsMax,
  SecretText,
  type Integration,
  type SecretFields,
  type TenantId,
} from '@cruvero/core';
import {
  isCredentialFault,
  type Clock,
  type Credential,
  type CredentialFault,
  type CredentialProvider,
  type Log,
  type Random,
  type StoreLease,
} from '@cruvero/ports';
import { asObject, firstError, VaultClient, type VaultAsk, type VaultReply } from './client.ts';
import { Engines, type Engine } from './engines.ts';
import { besideOf, type Place, type VaultPath } from './path.ts';
import { VaultSession, type VaultAuth } from './session.ts';

export type { VaultAuth } from './session.ts';

export interface VaultConfig {
  /** `https://vault.example:8200` */
  readonly address: string;
  readonly auth: VaultAuth;
  /** Namespace in which the broker logs in; empty: the root. */
  readonly authNamespace: string;
  readonly path: VaultPath;
  /** `auto` asks Vault whether it has namespaces; without them the path is one mount. */
  readonly namespaces: 'auto' | 'yes' | 'no';
  readonly kvVersion: 'auto' | '1' | '2';
  /** Integrations whose secret is made on demand: `database/creds/reader` beside the tenant's key-value engine. */
  readonly dynamic: ReadonlyMap<Integration, string>;
  readonly timeoutMs: number;
  /** PEM of further certificate authorities. */
  readonly ca?: string;
}

export interface VaultParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const answerBytesMax = 4 << 20;

/** Opens without waiting for Vault: it may come later than the broker. */
export function openVault(config: VaultConfig, parts: VaultParts): CredentialProvider {
  return new VaultProvider(config, parts);
}

class VaultProvider implements CredentialProvider {
  readonly name = 'vault';
  readonly #config: VaultConfig;
  readonly #client: VaultClient;
  readonly #session: VaultSession;
  readonly #engines: Engines;
  /** With which token it was made. */
  readonly #makers = new WeakMap<StoreLease, SecretText>();

  constructor(config: VaultConfig, { clock, random, log }: VaultParts) {
    this.#config = config;
    const { address, timeoutMs, ca } = config;
    const bounds = { address, timeoutMs, answerBytesMax, ...(ca === undefined ? {} : { ca }) };
    this.#client = new VaultClient(bounds, () => clock.monotonicMs());
    const namespace = config.authNamespace;
    this.#session = new VaultSession(config.auth, { client: this.#client, clock, random, log, namespace });
    this.#engines = new Engines(config, (ask) => this.#ask(ask), clock);
  }

  readonly writing = {
    put: (tenant: TenantId, integration: Integration, fields: SecretFields) =>
      this.#put(tenant, integration, fields),
    delete: (tenant: TenantId, integration: Integration) => this.#delete(tenant, integration),
  };

  readonly leasing = {
    renew: (tenant: TenantId, lease: StoreLease) => this.#renew(tenant, lease),
    revoke: (tenant: TenantId, lease: StoreLease) => this.#revoke(tenant, lease),
  };

  async getCredentials(
    tenantId: TenantId,
    integration: Integration,
  ): Promise<Credential | undefined | CredentialFault> {
    if (!isPlain(tenantId, integration)) return undefined;
    const dynamic = this.#config.dynamic.get(integration);
    if (dynamic !== undefined) return this.#make(tenantId, dynamic);
    const engine = await this.#engines.of(tenantId);
    return isCredentialFault(engine) ? engine : this.#read(tenantId, integration, engine);
  }

  async #read(
    tenantId: TenantId,
    integration: Integration,
    { place, version }: Engine,
  ): Promise<Credential | undefined | CredentialFault> {
    const path = version === 2 ? `${place.mount}/data/${integration}` : `${place.mount}/${integration}`;
    const reply = await this.#ask({ method: 'GET', path, namespace: place.namespace });
    if (isCredentialFault(reply)) return reply;
    if (reply.status === 404) return this.#notThere(tenantId, reply);
    if (reply.status !== 200) return refusal(reply);
    const data = asObject(reply.body['data']);
    return credentialOf(version === 2 ? asObject(data['data']) : data);
  }

  unready(): string | undefined {
    const { trouble } = this.#client;
    return trouble === undefined ? undefined : `Vault: ${trouble}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.close();
    this.#client.close();
  }

  /** A mount may have been made anew as another version since it was looked at. */
  #notThere(tenantId: TenantId, reply: VaultReply): undefined {
    if (firstError(reply.body) !== undefined || reply.body['warnings'] !== undefined)
      this.#engines.forget(tenantId);
    return undefined;
  }

  /** A secret of an engine that makes one for whoever asks, with its lease. */
  async #make(tenantId: TenantId, rest: string): Promise<Credential | undefined | CredentialFault> {
    const hasNamespaces = await this.#engines.hasNamespaces();
    if (isCredentialFault(hasNamespaces)) return hasNamespaces;
    const { namespace, mount: path } = besideOf(this.#config.path, tenantId, hasNamespaces, rest);
    const reply = await this.#ask({ method: 'GET', path, namespace });
    if (isCredentialFault(reply)) return reply;
    if (reply.status === 404) return undefined;
    if (reply.status !== 200) return refusal(reply);
    const lease = this.#bounded(leaseOf(reply.body));
    const { ttl, ...data } = asObject(reply.body['data']);
    // Of a secret without a lease it says how long until Vault changes it: another number each time, and no part of the secret.
    const isCountdown = lease === undefined && typeof ttl === 'number';
    const credential = credentialOf(isCountdown || ttl === undefined ? data : { ...data, ttl });
    return lease === undefined || isCredentialFault(credential) ? credential : { ...credential, lease };
  }

  async #put(
    tenantId: TenantId,
    integration: Integration,
    fields: SecretFields,
  ): Promise<CredentialFault | undefined> {
    if (!isPlain(tenantId, integration) || this.#config.dynamic.has(integration)) return unfitName;
    const engine = await this.#engines.of(tenantId);
    if (isCredentialFault(engine)) return engine;
    const { place, version } = engine;
    const data = Object.fromEntries([...fields].map(([name, text]) => [name, text.reveal()]));
    const reply = await this.#ask({
      method: 'POST',
      path: version === 2 ? `${place.mount}/data/${integration}` : `${place.mount}/${integration}`,
      namespace: place.namespace,
      body: version === 2 ? { data } : data,
    });
    if (isCredentialFault(reply)) return reply;
    return reply.status === 200 ? undefined : refusal(reply);
  }

  async #delete(tenantId: TenantId, integration: Integration): Promise<boolean | CredentialFault> {
    if (!isPlain(tenantId, integration) || this.#config.dynamic.has(integration)) return unfitName;
    const engine = await this.#engines.of(tenantId);
    if (isCredentialFault(engine)) return engine;
    const there = await this.#read(tenantId, integration, engine);
    if (there === undefined) return false;
    if (isCredentialFault(there) && there.fault !== 'unfit') return there;
    const { place, version } = engine;
    // Of version 2 the whole history goes: a secret that somebody takes back must not stand there as version 1.
    const path = version === 2 ? `${place.mount}/metadata/${integration}` : `${place.mount}/${integration}`;
    const reply = await this.#ask({ method: 'DELETE', path, namespace: place.namespace });
    if (isCredentialFault(reply)) return reply;
    return reply.status === 200 ? true : refusal(reply);
  }

  /** Vault ends a lease with the token that it was made with, whatever it said of the lease. */
  #bounded(lease: StoreLease | undefined): StoreLease | undefined {
    const { token, leftMs } = this.#session.now();
    const bounded = lease && { ...lease, ttlMs: Math.min(lease.ttlMs, leftMs) };
    if (bounded && token) this.#makers.set(bounded, token);
    return bounded;
  }

  async #renew(tenantId: TenantId, lease: StoreLease): Promise<StoreLease | CredentialFault> {
    const maker = this.#makers.get(lease);
    if (maker && maker !== this.#session.now().token) return endedLease;
    const body = { lease_id: lease.id, increment: Math.ceil(lease.ttlMs / 1_000) };
    const reply = await this.#lease(tenantId, 'renew', body);
    if (isCredentialFault(reply)) return reply;
    if (reply.status === 200) return this.#bounded(leaseOf(reply.body)) ?? endedLease;
    return reply.status === 400 || reply.status === 404 ? endedLease : refusal(reply);
  }

  async #revoke(tenantId: TenantId, lease: StoreLease): Promise<CredentialFault | undefined> {
    const reply = await this.#lease(tenantId, 'revoke', { lease_id: lease.id });
    if (isCredentialFault(reply)) return reply;
    // One that is not known any more is revoked.
    return reply.status === 200 || reply.status === 400 || reply.status === 404 ? undefined : refusal(reply);
  }

  async #lease(tenantId: TenantId, what: string, body: object): Promise<VaultReply | CredentialFault> {
    const hasNamespaces = await this.#engines.hasNamespaces();
    if (isCredentialFault(hasNamespaces)) return hasNamespaces;
    const { namespace }: Place = besideOf(this.#config.path, tenantId, hasNamespaces, 'x');
    return this.#ask({ method: 'POST', path: `sys/leases/${what}`, namespace, body });
  }

  /** With the broker's token; once more with the next one, where Vault does not take this one any more. */
  async #ask(ask: Omit<VaultAsk, 'token'>): Promise<VaultReply | CredentialFault> {
    const token = await this.#session.token();
    if (isCredentialFault(token)) return token;
    const reply = await this.#client.ask({ ...ask, token: token.reveal() });
    if (isCredentialFault(reply) || reply.status !== 403) return reply;
    if (!(await this.#session.refused(token))) return reply;
    const next = await this.#session.token();
    return isCredentialFault(next) ? next : this.#client.ask({ ...ask, token: next.reveal() });
  }
}

const unfitName: CredentialFault = {
  fault: 'unfit',
  detail: 'Vault keeps no secret under this name',
  retryAfterMs: 0,
};
const endedLease: CredentialFault = {
  fault: 'not_found',
  detail: 'Vault knows this lease no more',
  retryAfterMs: 0,
};

/** The types say so already; a path is not the place to rely on that. */
const isPlain = (tenantId: TenantId, integration: Integration): boolean =>
  readTenantId(tenantId) !== undefined && readIntegration(integration) !== undefined;

/** What Vault says to the broker is no verdict on the one who asks: leases that are held go on. */
function refusal({ status, body }: VaultReply): CredentialFault {
  const said = firstError(body) ?? `HTTP ${status}`;
  const detail = status === 403 ? "Vault's policies do not let the broker do this" : `Vault refuses: ${said}`;
  return { fault: 'away', detail, retryAfterMs: 5_000 };
}

function leaseOf(body: VaultReply['body']): StoreLease | undefined {
  const { lease_id: id, lease_duration: seconds, renewable } = body;
  const ttlMs = Number(seconds) * 1_000;
  return typeof id === 'string' && id !== '' && ttlMs > 0
    ? { id, ttlMs, renewable: renewable === true }
    : undefined;
}

/** Numbers and yes or no are told as text; what is neither text nor short is not a secret that fits a header. */
function credentialOf(data: Readonly<Record<string, unknown>>): Credential | CredentialFault {
  const fields = new Map<string, SecretText>();
  for (const [name, value] of Object.entries(data)) {
    const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
    if (typeof text === 'string' && text.length <= secretTextCharsMax && secretFieldPattern.test(name))
      fields.set(name, new SecretText(text));
  }
  if (fields.size > 0 && fields.size <= secretFieldsMax) return { fields };
  return { fault: 'unfit', detail: 'what Vault has there is no set of short texts', retryAfterMs: 0 };
}
