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
import { knowsMore, markOf, missingScopes } from './questions.ts';
import type { Question, Standing } from './questions.ts';
import { sendConfig } from './send-config.ts';

export interface SnapshotParts {
  readonly store: Pick<ServerStore, 'everything' | 'gateways' | 'revision' | 'incarnation' | 'transaction'>;
  readonly bus: Pick<Bus, 'publishStored' | 'putValue' | 'state'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: RegistryMetrics;
  readonly authMode: AuthMode;
}

/** A burst of changes within this time is one snapshot. */
const debounceMs = 50;
const lookEveryMs = 3_000;
/** One that has not been heard for so long is told nothing until it asks. */
const silentMsMax = 7 * 24 * 3_600_000;
const asksMax = 1_000;
/** A gateway that talks nonsense must not make every gateway start over again and again. */
const renewEveryMs = 60_000;

export class SnapshotPublisher {
  readonly #parts: SnapshotParts;
  readonly #looks: Timer;
  /** What each gateway was sent, as `markOf` writes it; a gateway that is not here is sent everything. */
  readonly #sent = new Map<GatewayId, string>();
  readonly #asks = new Map<GatewayId, Question>();
  #renewedMs = Number.NEGATIVE_INFINITY;
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
  asked(gatewayId: GatewayId, question: Question): void {
    if (this.#asks.size >= asksMax && !this.#asks.has(gatewayId)) return;
    this.#asks.set(gatewayId, question);
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
      await this.#renewIfSetBack();
      const bodies = await this.#bodies();
      await this.#answer(bodies);
      if (this.#due || this.#isBehind(bodies)) await this.#push(bodies);
    } catch (error) {
      this.#failed = true;
      if (error instanceof StoreUnavailable)
        this.#parts.log.warn('gateways wait for the store', { detail: error.message });
      else this.#parts.log.error('snapshots failed', { error });
    }
  }

  /** Read now, so later than any question that is waiting. */
  async #standing(): Promise<Standing> {
    const { store } = this.#parts;
    return { revision: await store.revision(), incarnation: await store.incarnation() };
  }

  /** A store that was restored from a backup begins a new life, so that gateways take its lower revisions. */
  async #renewIfSetBack(): Promise<void> {
    const { clock, log, store } = this.#parts;
    const questions = [...this.#asks.values()];
    if (questions.length === 0 || clock.monotonicMs() - this.#renewedMs < renewEveryMs) return;
    const standing = await this.#standing();
    if (!questions.some((question) => knowsMore(question, standing))) return;
    this.#renewedMs = clock.monotonicMs();
    log.warn(
      'the store knows less than a gateway does: it was set back, and all gateways start anew from it',
      {
        revision: standing.revision,
      },
    );
    await store.transaction((tx) => tx.renewIncarnation());
    this.#due = true;
  }

  /** What gateways see changes with the revision only, so most looks read two values. */
  async #bodies(): Promise<BodiesByTenant> {
    const { store, metrics, authMode } = this.#parts;
    if (this.#latest && markOf(await this.#standing()) === markOf(this.#latest)) return this.#latest;
    const view = await store.everything();
    metrics.countServers(view.servers);
    this.#latest = new BodiesByTenant(view, authMode);
    return this.#latest;
  }

  /** Another process may have written. */
  #isBehind(standing: Standing): boolean {
    return [...this.#sent.values()].some((sent) => sent !== markOf(standing));
  }

  async #answer(bodies: BodiesByTenant): Promise<void> {
    for (const [gatewayId, ask] of [...this.#asks]) {
      const wanted = missingScopes(ask, bodies);
      const nonce = `.${randomBytes(6).toString('hex')}`;
      const answer = { nonce, requestId: ask.requestId };
      if (!(await this.#send(gatewayId, ask.tenantId, wanted, bodies, answer))) return;
      // A newer question that came meanwhile stays.
      if (this.#asks.get(gatewayId) === ask) this.#asks.delete(gatewayId);
      this.#sent.set(gatewayId, markOf(bodies));
    }
  }

  async #push(bodies: BodiesByTenant): Promise<void> {
    this.#due = false;
    const nowMs = this.#parts.clock.nowMs();
    for (const gateway of await this.#parts.store.gateways()) {
      if (this.#sent.get(gateway.gatewayId) === markOf(bodies) || isSilent(gateway, nowMs)) continue;
      const sent = await this.#send(gateway.gatewayId, gateway.tenantId, configScopes, bodies, unasked);
      if (sent) this.#sent.set(gateway.gatewayId, markOf(bodies));
      else this.#due = true;
    }
  }

  async #send(
    gatewayId: GatewayId,
    tenantId: TenantId,
    scopes: readonly ConfigScope[],
    bodies: BodiesByTenant,
    { nonce, requestId }: Answer,
  ): Promise<boolean> {
    const { revision, incarnation } = bodies;
    for (const scope of scopes) {
      const made = bodies.of(tenantId)[scope];
      const body = requestId === undefined ? made : { ...made, in_answer_to: requestId };
      const message = { gatewayId, scope, revision, incarnation, body, nonce };
      const fault = await sendConfig(this.#parts.bus, message);
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

interface Answer {
  /** Makes the message unlike any other, or is empty: then it counts once however often it is sent. */
  readonly nonce: string;
  readonly requestId: string | undefined;
}
const unasked: Answer = { nonce: '', requestId: undefined };

/** Bodies are the same for every gateway of a tenant: made once a snapshot. */
class BodiesByTenant implements Standing {
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
  get incarnation(): string {
    return this.#view.incarnation;
  }

  of(tenantId: TenantId): ConfigBodies {
    const made = this.#made.get(tenantId) ?? configBodies(this.#view, tenantId, this.#authMode);
    this.#made.set(tenantId, made);
    return made;
  }
}
