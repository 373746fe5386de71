/** Keeps gateways at the newest revision: pushes it to those that are known, and answers those that ask. */

import { randomBytes } from 'node:crypto';
import { configScopes } from '@cruvero/contracts';
import type { ConfigScope } from '@cruvero/contracts';
import type { AuthMode, GatewayId, TenantId } from '@cruvero/core';
import type { Bus, Clock, GatewayRecord, Log, ServerStore, Timer } from '@cruvero/ports';
import { StoreUnavailable } from '@cruvero/ports';
import type { RegistryMetrics } from './metrics.ts';
import { configBodies } from './payloads.ts';
import type { ConfigBodies, Everything } from './payloads.ts';
import { sendConfig } from './send-config.ts';

export interface SnapshotParts {
  readonly store: Pick<ServerStore, 'everything' | 'gateways' | 'revision'>;
  readonly bus: Pick<Bus, 'publishStored' | 'putValue' | 'state'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: RegistryMetrics;
  readonly authMode: AuthMode;
}

/** What a gateway has, by scope, as it said itself. */
export type KnownVersions = Readonly<Record<string, number>>;

/** A burst of changes within this time is one snapshot. */
const debounceMs = 50;
const lookEveryMs = 3_000;
/** One that has not been heard for so long is told nothing until it asks. */
const silentMsMax = 7 * 24 * 3_600_000;
const asksMax = 1_000;

export class SnapshotPublisher {
  readonly #parts: SnapshotParts;
  readonly #looks: Timer;
  /** Revision that each gateway was sent; a gateway that is not here is sent everything. */
  readonly #sent = new Map<GatewayId, number>();
  readonly #asks = new Map<GatewayId, { readonly tenantId: TenantId; readonly known: KnownVersions }>();
  #latest: BodiesByTenant | undefined;
  #debounce: Timer | undefined;
  #running: Promise<void> | undefined;
  #due = true;
  #again = false;
  #failed = false;
  #closed = false;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
    this.#looks = parts.clock.every(lookEveryMs, () => this.#start());
  }

  /** Rows that gateways see may have changed. */
  changed(): void {
    this.#due = true;
    this.#debounce ??= this.#parts.clock.after(debounceMs, () => {
      this.#debounce = undefined;
      this.#start();
    });
  }

  /** Answered at once, or as soon as store and bus are there; the newest question of a gateway counts. */
  asked(gatewayId: GatewayId, tenantId: TenantId, known: KnownVersions): void {
    if (this.#asks.size >= asksMax && !this.#asks.has(gatewayId)) return;
    this.#asks.set(gatewayId, { tenantId, known });
    this.#start();
  }

  #start(): void {
    if (this.#closed || this.#parts.bus.state() !== 'connected') return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      // After a fault the next look tries again: at once would be a loop.
      if ((this.#asks.size > 0 || this.#again) && !this.#failed) this.#start();
    });
  }

  async #run(): Promise<void> {
    this.#failed = false;
    try {
      const bodies = await this.#bodies();
      await this.#answer(bodies);
      if (this.#due || this.#isBehind(bodies.revision)) await this.#push(bodies);
    } catch (error) {
      this.#failed = true;
      if (error instanceof StoreUnavailable)
        this.#parts.log.warn('gateways wait for the store', { detail: error.message });
      else this.#parts.log.error('snapshots failed', { error });
    }
  }

  /** What gateways see changes with the revision only, so most looks read one number. */
  async #bodies(): Promise<BodiesByTenant> {
    const { store, metrics, authMode } = this.#parts;
    if (this.#latest && (await store.revision()) === this.#latest.revision) return this.#latest;
    const view = await store.everything();
    metrics.countServers(view.servers);
    this.#latest = new BodiesByTenant(view, authMode);
    return this.#latest;
  }

  /** Another process may have written. */
  #isBehind(revision: number): boolean {
    return [...this.#sent.values()].some((sent) => sent !== revision);
  }

  async #answer(bodies: BodiesByTenant): Promise<void> {
    for (const [gatewayId, ask] of [...this.#asks]) {
      const wanted = configScopes.filter((scope) => versionOf(ask.known, scope) !== bodies.revision);
      const nonce = `.${randomBytes(6).toString('hex')}`;
      if (!(await this.#send(gatewayId, ask.tenantId, wanted, bodies, nonce))) return;
      // A newer question that came meanwhile stays.
      if (this.#asks.get(gatewayId) === ask) this.#asks.delete(gatewayId);
      this.#sent.set(gatewayId, bodies.revision);
    }
  }

  async #push(bodies: BodiesByTenant): Promise<void> {
    this.#due = false;
    const nowMs = this.#parts.clock.nowMs();
    for (const gateway of await this.#parts.store.gateways()) {
      if (this.#sent.get(gateway.gatewayId) === bodies.revision || isSilent(gateway, nowMs)) continue;
      const sent = await this.#send(gateway.gatewayId, gateway.tenantId, configScopes, bodies, '');
      if (sent) this.#sent.set(gateway.gatewayId, bodies.revision);
      else this.#due = true;
    }
  }

  async #send(
    gatewayId: GatewayId,
    tenantId: TenantId,
    scopes: readonly ConfigScope[],
    bodies: BodiesByTenant,
    nonce: string,
  ): Promise<boolean> {
    for (const scope of scopes) {
      const body = bodies.of(tenantId)[scope];
      const fault = await sendConfig(this.#parts.bus, {
        gatewayId,
        scope,
        revision: bodies.revision,
        body,
        nonce,
      });
      this.#parts.metrics.publish.add(1, { kind: 'config', outcome: fault ? 'failed' : 'ok' });
      if (!fault) continue;
      this.#failed = true;
      this.#parts.log.warn('configuration waits for the bus', {
        gateway: gatewayId,
        scope,
        detail: fault.detail,
      });
      return false;
    }
    return true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#looks.cancel();
    this.#debounce?.cancel();
    await this.#running;
  }
}

const isSilent = (gateway: GatewayRecord, nowMs: number): boolean => nowMs - gateway.lastSeenMs > silentMsMax;

/** Gateways write `config.servers`; the bare scope is taken too. */
const versionOf = (known: KnownVersions, scope: ConfigScope): number =>
  known[`config.${scope}`] ?? known[scope] ?? -1;

/** Bodies are the same for every gateway of a tenant: made once a snapshot. */
class BodiesByTenant {
  readonly #view: Everything;
  readonly #authMode: AuthMode;
  readonly #made = new Map<TenantId, ConfigBodies>();

  constructor(view: Everything, authMode: AuthMode) {
    this.#view = view;
    this.#authMode = authMode;
  }

  get revision(): number {
    return this.#view.revision;
  }

  of(tenantId: TenantId): ConfigBodies {
    const made = this.#made.get(tenantId) ?? configBodies(this.#view, tenantId, this.#authMode);
    this.#made.set(tenantId, made);
    return made;
  }
}
