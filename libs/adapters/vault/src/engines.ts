/** What has to be known of a Vault before a secret can be read: whether it has namespaces, and of which version an engine is. */

import type { TenantId } from '@cruvero/core';
import { isCredentialFault, type Clock, type CredentialFault } from '@cruvero/ports';
import { asObject, firstError, type VaultAsk, type VaultReply } from './client.ts';
import { placeOf, type Place, type VaultPath } from './path.ts';

export interface Engine {
  readonly place: Place;
  readonly version: 1 | 2;
}

export interface EnginesConfig {
  readonly path: VaultPath;
  readonly namespaces: 'auto' | 'yes' | 'no';
  readonly kvVersion: 'auto' | '1' | '2';
}

type AskVault = (ask: Omit<VaultAsk, 'token'>) => Promise<VaultReply | CredentialFault>;

/** Engines are made anew now and then, so nothing is believed for longer. */
const believedMs = 300_000;
const tenantsMax = 10_000;

export class Engines {
  readonly #config: EnginesConfig;
  readonly #ask: AskVault;
  readonly #clock: Clock;
  readonly #known = new Map<TenantId, { readonly engine: Engine; readonly untilMs: number }>();
  #hasNamespaces: boolean | undefined;

  constructor(config: EnginesConfig, ask: AskVault, clock: Clock) {
    this.#config = config;
    this.#ask = ask;
    this.#clock = clock;
    if (config.namespaces !== 'auto') this.#hasNamespaces = config.namespaces === 'yes';
  }

  async of(tenantId: TenantId): Promise<Engine | CredentialFault> {
    const known = this.#known.get(tenantId);
    if (known && known.untilMs > this.#clock.monotonicMs()) return known.engine;
    const hasNamespaces = await this.hasNamespaces();
    if (isCredentialFault(hasNamespaces)) return hasNamespaces;
    const place = placeOf(this.#config.path, tenantId, hasNamespaces);
    const version = await this.#versionAt(place);
    if (isCredentialFault(version)) return version;
    const engine = { place, version };
    if (this.#known.size >= tenantsMax) this.#known.clear();
    this.#known.set(tenantId, { engine, untilMs: this.#clock.monotonicMs() + believedMs });
    return engine;
  }

  forget(tenantId: TenantId): void {
    this.#known.delete(tenantId);
  }

  /**
   * An edition without namespaces says that it does not know the path; one with them lists them, says that there are none, or
   * that the broker may not see them: then its own word on health decides.
   */
  async hasNamespaces(): Promise<boolean | CredentialFault> {
    if (this.#hasNamespaces !== undefined) return this.#hasNamespaces;
    const listed = await this.#ask({ method: 'GET', path: 'sys/namespaces?list=true', namespace: '' });
    if (isCredentialFault(listed)) return listed;
    if (listed.status !== 403) {
      this.#hasNamespaces =
        listed.status === 200 || (listed.status === 404 && firstError(listed.body) === undefined);
      return this.#hasNamespaces;
    }
    const health = await this.#ask({ method: 'GET', path: 'sys/health', namespace: '' });
    if (isCredentialFault(health)) return health;
    const { enterprise, version } = health.body;
    this.#hasNamespaces = enterprise === true || /\+(ent|hcp)/.test(String(version));
    return this.#hasNamespaces;
  }

  /** What cannot be looked at is taken for version 2, the one that is made by default. */
  async #versionAt({ namespace, mount }: Place): Promise<1 | 2 | CredentialFault> {
    const { kvVersion } = this.#config;
    if (kvVersion !== 'auto') return kvVersion === '1' ? 1 : 2;
    const reply = await this.#ask({ method: 'GET', path: `sys/internal/ui/mounts/${mount}`, namespace });
    if (isCredentialFault(reply)) return reply;
    if (reply.status !== 200) return 2;
    const options = asObject(asObject(reply.body['data'])['options']);
    return options['version'] === '2' ? 2 : 1;
  }
}
