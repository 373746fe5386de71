/** Leases that a service holds: asked for once however many want them, renewed ahead, gone the moment they are revoked. */

import { randomBytes } from 'node:crypto';
import { credentialSubjects } from '@cruvero/contracts';
import {
  defaultLeasePolicy,
  endsLease,
  judgeLease,
  leaseBackoffMs,
  leaseSpan,
  readIntegration,
  readTenantId,
  sameFields,
  type Integration,
  type LeasePolicy,
  type LeaseSpan,
  type TenantId,
} from '@cruvero/core';
import { isCredentialFault } from '@cruvero/ports';
import type {
  Bus,
  BusMessage,
  Clock,
  CredentialChange,
  CredentialFault,
  CredentialLease,
  Credentials,
  CredentialWriter,
  Log,
  Metrics,
  Random,
  Subscription,
  Timer,
} from '@cruvero/ports';
import { Broadcasts } from './broadcasts.ts';
import { BrokerTalk, type Issued } from './broker-talk.ts';

export interface BusCredentialsOptions {
  /** Name of this service among askers, such as `gw-1`. */
  readonly asker: string;
  /** 32 bytes, shared with the broker. */
  readonly key: Uint8Array;
  readonly subjectPrefix: string;
  readonly policy?: LeasePolicy;
  /** For one answer of the broker. */
  readonly timeoutMs?: number;
  /** Leases held and faults remembered; the one unused longest goes first. */
  readonly leasesMax?: number;
}

export interface BusCredentialsParts {
  readonly bus: Pick<Bus, 'request' | 'subscribe' | 'onState'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly metrics: Pick<Metrics, 'counter' | 'gauge'>;
  /** For nonces; the system's own unless given. */
  readonly bytes?: (count: number) => Uint8Array;
}

export interface BusCredentials extends Credentials, CredentialWriter {}

/** Makes the key pair of this run. The bus stays its owner's. */
export async function busCredentials(
  options: BusCredentialsOptions,
  parts: BusCredentialsParts,
): Promise<BusCredentials> {
  const { asker, key, subjectPrefix, timeoutMs = 5_000 } = options;
  const bytes = parts.bytes ?? ((count: number) => new Uint8Array(randomBytes(count)));
  const talk = await BrokerTalk.open(
    { asker, key, subjectPrefix, timeoutMs },
    { bus: parts.bus, clock: parts.clock, bytes },
  );
  return new LeaseHolder(options, parts, talk);
}

interface Entry {
  readonly tenantId: TenantId;
  readonly integration: Integration;
  held: { readonly lease: CredentialLease; readonly span: LeaseSpan } | undefined;
  /** What was held last, to tell whether the next one is another. */
  last: CredentialLease | undefined;
  asking: Promise<CredentialLease | CredentialFault> | undefined;
  /** Counts revocations: an answer that was on its way meanwhile is not believed. */
  generation: number;
  failures: number;
  fault: CredentialFault | undefined;
  quietUntilMs: number;
  timer: Timer | undefined;
  /** Whoever wants it renewed while nobody asks. */
  keepers: number;
  /** Somebody used the present lease. */
  used: boolean;
  refusedAtMs: number;
}

/** A server that refuses every credential must not become a storm of questions. */
const refusedEveryMs = 5_000;
/** After an outage of the bus everybody asks whether a revocation was missed; spread over this time. */
const missedWithinMs = 300;
const attemptsMax = 3;

class LeaseHolder implements BusCredentials {
  readonly #policy: LeasePolicy;
  readonly #leasesMax: number;
  readonly #parts: BusCredentialsParts;
  readonly #talk: BrokerTalk;
  readonly #broadcasts: Broadcasts;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(change: CredentialChange) => void>();
  readonly #subscriptions: readonly Subscription[];
  readonly #asked: { add(value: number, labels?: Readonly<Record<string, string>>): void };
  #closed = false;

  constructor(options: BusCredentialsOptions, parts: BusCredentialsParts, talk: BrokerTalk) {
    this.#policy = options.policy ?? defaultLeasePolicy;
    this.#leasesMax = options.leasesMax ?? 10_000;
    this.#parts = parts;
    this.#talk = talk;
    this.#broadcasts = new Broadcasts(options, parts);
    const { revoked } = credentialSubjects(options.subjectPrefix);
    this.#subscriptions = [
      parts.bus.subscribe(revoked, (message) => void this.#hear(message)),
      parts.bus.onState((state) => {
        if (state === 'connected') this.#askForMissed();
      }),
    ];
    this.#asked = parts.metrics.counter(
      'cruvero_credential_asks_total',
      'Questions to the credential broker',
    );
    parts.metrics.gauge('cruvero_credential_leases', 'Leases that are held', () => [
      { value: [...this.#entries.values()].filter(({ held }) => held).length },
    ]);
  }

  held(tenantId: TenantId, integration: Integration): CredentialLease | undefined {
    const entry = this.#entries.get(`${tenantId}/${integration}`);
    const lease = entry && this.#good(entry);
    if (lease) this.#use(entry);
    return lease;
  }

  async lease(tenantId: TenantId, integration: Integration): Promise<CredentialLease | CredentialFault> {
    const entry = this.#entry(tenantId, integration);
    const lease = this.#good(entry);
    this.#use(entry);
    if (lease) return lease;
    const quietMs = entry.quietUntilMs - this.#parts.clock.monotonicMs();
    if (entry.fault && quietMs > 0) return { ...entry.fault, retryAfterMs: Math.ceil(quietMs) };
    return this.#ask(entry);
  }

  async refused(
    tenantId: TenantId,
    integration: Integration,
    lease: CredentialLease,
  ): Promise<CredentialLease | CredentialFault> {
    const entry = this.#entry(tenantId, integration);
    const nowMs = this.#parts.clock.monotonicMs();
    if (entry.held?.lease !== lease) return this.lease(tenantId, integration);
    if (nowMs - entry.refusedAtMs < refusedEveryMs) return lease;
    entry.refusedAtMs = nowMs;
    const next = await this.#ask(entry);
    return isCredentialFault(next) ? (this.#good(entry) ?? next) : next;
  }

  keep(tenantId: TenantId, integration: Integration): Disposable {
    const entry = this.#entry(tenantId, integration);
    entry.keepers += 1;
    let kept = true;
    return {
      [Symbol.dispose]: () => {
        if (kept) entry.keepers -= 1;
        kept = false;
      },
    };
  }

  onChange(listener: (change: CredentialChange) => void): Subscription {
    this.#listeners.add(listener);
    return { close: async () => void this.#listeners.delete(listener) };
  }

  readonly put: CredentialWriter['put'] = (...asked) => this.#talk.put(...asked);
  readonly delete: CredentialWriter['delete'] = (...asked) => this.#talk.delete(...asked);

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const entry of this.#entries.values()) entry.timer?.cancel();
    this.#entries.clear();
    this.#listeners.clear();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  #good(entry: Entry): CredentialLease | undefined {
    const { held } = entry;
    if (!held || judgeLease(held.span, this.#parts.clock.monotonicMs()) === 'over') return undefined;
    return held.lease;
  }

  /** One that was left alone when its renewal was due, and is used now, is renewed now. */
  #use(entry: Entry): void {
    entry.used = true;
    const nowMs = this.#parts.clock.monotonicMs();
    const isDue = entry.held && judgeLease(entry.held.span, nowMs) === 'due';
    if (isDue && !entry.asking && nowMs >= entry.quietUntilMs) void this.#ask(entry);
  }

  #entry(tenantId: TenantId, integration: Integration): Entry {
    const key = `${tenantId}/${integration}`;
    const known = this.#entries.get(key);
    if (known) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const entry: Entry = {
      tenantId,
      integration,
      held: undefined,
      last: undefined,
      asking: undefined,
      generation: 0,
      failures: 0,
      fault: undefined,
      quietUntilMs: 0,
      timer: undefined,
      keepers: 0,
      used: false,
      refusedAtMs: -Infinity,
    };
    this.#makeRoom();
    this.#entries.set(key, entry);
    return entry;
  }

  #makeRoom(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size < this.#leasesMax) return;
      if (entry.keepers > 0 || entry.asking) continue;
      // Nobody could say any more that it was revoked.
      this.#drop(entry);
      this.#forget(key, entry);
    }
  }

  #forget(key: string, entry: Entry): void {
    entry.timer?.cancel();
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  #ask(entry: Entry): Promise<CredentialLease | CredentialFault> {
    entry.asking ??= this.#askUntilBelieved(entry).finally(() => (entry.asking = undefined));
    return entry.asking;
  }

  async #askUntilBelieved(entry: Entry): Promise<CredentialLease | CredentialFault> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const { generation } = entry;
      const askedAtMs = this.#parts.clock.monotonicMs();
      const answer = await this.#talk.lease(entry.tenantId, entry.integration, entry.last?.leaseId);
      if (this.#closed) return closed;
      if (entry.generation !== generation) continue;
      this.#asked.add(1, { outcome: isCredentialFault(answer) ? answer.fault : 'lease' });
      return isCredentialFault(answer) ? this.#failed(entry, answer) : this.#got(entry, answer, askedAtMs);
    }
    return this.#failed(entry, { fault: 'busy', detail: 'it changes all the time', retryAfterMs: 0 });
  }

  #got(entry: Entry, { lease, ttlMs }: Issued, askedAtMs: number): CredentialLease {
    const { last } = entry;
    entry.held = { lease, span: leaseSpan(askedAtMs, ttlMs, this.#policy, this.#parts.random) };
    entry.last = lease;
    entry.failures = 0;
    entry.fault = undefined;
    entry.used = false;
    this.#wakeAt(entry, entry.held.span.renewAtMs);
    const isOther = last === undefined ? entry.keepers > 0 : !sameFields(last.fields, lease.fields);
    if (isOther) this.#tell(entry, 'other');
    return lease;
  }

  /** A verdict ends what is held; an outage leaves it to its end. Nobody asks again before the pause is over. */
  #failed(entry: Entry, fault: CredentialFault): CredentialFault {
    entry.failures += 1;
    const pauseMs = Math.max(
      fault.retryAfterMs,
      leaseBackoffMs(entry.failures, this.#policy, this.#parts.random),
    );
    const nowMs = this.#parts.clock.monotonicMs();
    entry.fault = fault;
    entry.quietUntilMs = nowMs + pauseMs;
    const { tenantId, integration } = entry;
    this.#parts.log.warn('no credential', {
      tenant: tenantId,
      integration,
      why: fault.fault,
      reason: fault.detail,
    });
    if (endsLease(fault.fault)) this.#drop(entry);
    const endMs = entry.held?.span.endMs ?? Infinity;
    if (entry.held || entry.keepers > 0) this.#wakeAt(entry, Math.min(endMs, entry.quietUntilMs));
    return { ...fault, retryAfterMs: Math.ceil(pauseMs) };
  }

  #drop(entry: Entry): void {
    if (!entry.held) return;
    entry.held = undefined;
    entry.last = undefined;
    entry.timer?.cancel();
    this.#tell(entry, 'gone');
  }

  #tell({ tenantId, integration }: Entry, change: CredentialChange['change']): void {
    for (const listener of this.#listeners) listener({ tenantId, integration, change });
  }

  #wakeAt(entry: Entry, atMs: number): void {
    entry.timer?.cancel();
    const inMs = Math.max(0, atMs - this.#parts.clock.monotonicMs());
    entry.timer = this.#parts.clock.after(inMs, () => this.#wake(entry));
  }

  /** A lease that nobody used is not renewed; it goes at its end. */
  #wake(entry: Entry): void {
    const { held } = entry;
    if (held && judgeLease(held.span, this.#parts.clock.monotonicMs()) === 'over') this.#drop(entry);
    if (entry.keepers > 0 || (entry.used && entry.held)) void this.#ask(entry);
    else if (entry.held) this.#wakeAt(entry, entry.held.span.endMs);
    // What is on its way must hear of a revocation, too.
    else if (!entry.asking) this.#forget(`${entry.tenantId}/${entry.integration}`, entry);
  }

  async #hear({ body }: BusMessage): Promise<void> {
    const said = await this.#broadcasts.read(body);
    const tenantId = readTenantId(said?.tenant);
    const integration = readIntegration(said?.integration);
    const entry = this.#entries.get(`${tenantId}/${integration}`);
    if (!said || !entry) return;
    entry.generation += 1;
    entry.failures = 0;
    entry.fault = undefined;
    entry.quietUntilMs = 0;
    const wasHeld = entry.held !== undefined;
    if (said.why === 'revoked') this.#drop(entry);
    if (entry.keepers > 0 || (wasHeld && entry.held)) void this.#ask(entry);
    else if (said.why === 'rotated') this.#tell(entry, 'other');
  }

  /** While the bus was away, a revocation may have been said. */
  #askForMissed(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const entry of this.#entries.values()) {
      entry.fault = undefined;
      if (!entry.held && entry.keepers === 0) continue;
      entry.used = true;
      this.#wakeAt(entry, nowMs + this.#parts.random() * missedWithinMs);
    }
  }
}

const closed: CredentialFault = { fault: 'away', detail: 'this service is ending', retryAfterMs: 0 };
