/** What is out: which secrets are leased, from where, until when; rotations noticed, made secrets renewed and taken back. */

import { createHmac } from 'node:crypto';
import { isCredentialFault } from '@cruvero/ports';
import type { Clock, Credential, CredentialFault, CredentialProvider, Log } from '@cruvero/ports';
import type { Integration, SecretFields, TenantId } from '@cruvero/core';
import { findCredential, type Found } from './chain.ts';

export interface Issue {
  readonly provider: string;
  readonly fields: SecretFields;
  readonly ttlMs: number;
  /** Other fields than those that were out before. */
  readonly rotated: boolean;
}

export interface IssuingParts {
  readonly providers: readonly CredentialProvider[];
  readonly clock: Clock;
  readonly log: Log;
  readonly leaseMs: number;
  /** Secrets that are leased at a time; 100,000 unless said. */
  readonly outMax?: number;
  /** Of this run: fingerprints are worth nothing elsewhere. */
  readonly fingerprintKey: Uint8Array;
  readonly onChange: (tenantId: TenantId, integration: Integration, why: 'revoked' | 'rotated') => void;
}

/** A secret that its store made for us; shared by everybody who asks, and the only kind that is kept here. */
interface Made {
  readonly provider: CredentialProvider;
  readonly credential: Credential;
  lease: NonNullable<Credential['lease']>;
  endMs: number;
}

interface Out {
  readonly tenantId: TenantId;
  readonly integration: Integration;
  fingerprint: string;
  /** The last lease ends here. */
  untilMs: number;
  made: Made | undefined;
}

const outMaxOrElse = 100_000;

export class Issuing {
  readonly #parts: IssuingParts;
  readonly #out = new Map<string, Out>();
  readonly #asking = new Map<string, Promise<Found | undefined | CredentialFault>>();
  /** Made secrets that were followed by others, until nobody can hold them any more. */
  readonly #retired: { readonly tenantId: TenantId; readonly made: Made; readonly untilMs: number }[] = [];
  #checking: Promise<void> | undefined;

  constructor(parts: IssuingParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#out.size;
  }

  async issue(tenantId: TenantId, integration: Integration): Promise<Issue | undefined | CredentialFault> {
    const key = `${tenantId}/${integration}`;
    const known = this.#out.get(key);
    if (!known && this.#out.size >= (this.#parts.outMax ?? outMaxOrElse))
      return { fault: 'busy', detail: 'too many secrets are leased', retryAfterMs: 1_000 };
    const found = await this.#find(tenantId, integration);
    if (found === undefined || isCredentialFault(found)) return found;
    const { leaseMs, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    const out = this.#out.get(key) ?? { tenantId, integration, fingerprint: '', untilMs: 0, made: undefined };
    const fingerprint = this.#fingerprint(found);
    const rotated = out.fingerprint !== '' && out.fingerprint !== fingerprint;
    const leftMs = out.made ? out.made.endMs - nowMs : Infinity;
    const ttlMs = Math.max(1, Math.floor(Math.min(leaseMs, leftMs)));
    out.fingerprint = fingerprint;
    out.untilMs = Math.max(out.untilMs, nowMs + ttlMs);
    this.#out.set(key, out);
    return { provider: found.provider.name, fields: found.credential.fields, ttlMs, rotated };
  }

  /** Nothing of it is given out from now on; a made secret is taken back. */
  async revoke(tenantId: TenantId, integration: Integration): Promise<void> {
    const key = `${tenantId}/${integration}`;
    const out = this.#out.get(key);
    this.#out.delete(key);
    this.#asking.delete(key);
    if (out?.made) await this.#takeBack(tenantId, out.made);
  }

  /** It was written anew: what is read from now on is no rotation, and nobody shares an answer that was read before. */
  forget(tenantId: TenantId, integration: Integration): void {
    const key = `${tenantId}/${integration}`;
    this.#asking.delete(key);
    if (!this.#out.get(key)?.made) this.#out.delete(key);
  }

  /** Looks at everything that is out, once at a time. */
  check(): Promise<void> {
    this.#checking ??= this.#checkAll().finally(() => (this.#checking = undefined));
    return this.#checking;
  }

  /** Takes back what was made. */
  async close(): Promise<void> {
    const made = [...this.#out.values()].flatMap((out) =>
      out.made ? [{ tenantId: out.tenantId, made: out.made }] : [],
    );
    this.#out.clear();
    await Promise.all([...made, ...this.#retired].map((one) => this.#takeBack(one.tenantId, one.made)));
  }

  /** Those who ask at the same time share one answer. */
  #find(tenantId: TenantId, integration: Integration): Promise<Found | undefined | CredentialFault> {
    const key = `${tenantId}/${integration}`;
    const running = this.#asking.get(key);
    if (running) return running;
    const asking = this.#findAnew(tenantId, integration).finally(() => {
      if (this.#asking.get(key) === asking) this.#asking.delete(key);
    });
    this.#asking.set(key, asking);
    return asking;
  }

  async #findAnew(
    tenantId: TenantId,
    integration: Integration,
  ): Promise<Found | undefined | CredentialFault> {
    const key = `${tenantId}/${integration}`;
    const made = this.#out.get(key)?.made;
    if (made && (await this.#isStillGood(tenantId, made)) && this.#holdOn(key, made))
      return { provider: made.provider, credential: made.credential };
    const found = await findCredential(this.#parts.providers, tenantId, integration);
    if (found === undefined || isCredentialFault(found)) return found;
    const { lease } = found.credential;
    const out = this.#out.get(key);
    if (out?.made) this.#retired.push({ tenantId, made: out.made, untilMs: out.untilMs });
    const next = lease && { ...found, lease, endMs: this.#parts.clock.monotonicMs() + lease.ttlMs };
    if (out) out.made = next;
    else if (next) {
      const untilMs = this.#parts.clock.monotonicMs() + this.#parts.leaseMs;
      this.#out.set(key, { tenantId, integration, fingerprint: '', untilMs, made: next });
    }
    return found;
  }

  /** It is about to be given out, so it is not taken back now. False where it was, while it was being renewed. */
  #holdOn(key: string, made: Made): boolean {
    const out = this.#out.get(key);
    if (out?.made !== made) return false;
    out.untilMs = Math.max(out.untilMs, this.#parts.clock.monotonicMs() + this.#parts.leaseMs);
    return true;
  }

  /** Renewed in its second half; one that cannot be, is followed by another while it still serves. */
  async #isStillGood(tenantId: TenantId, made: Made): Promise<boolean> {
    const { clock } = this.#parts;
    const lifeMs = made.lease.ttlMs;
    if (made.endMs - clock.monotonicMs() > lifeMs / 2) return true;
    if (!made.lease.renewable) return false;
    const renewed = await made.provider.leasing?.renew(tenantId, made.lease);
    if (renewed === undefined || isCredentialFault(renewed)) return false;
    made.endMs = clock.monotonicMs() + renewed.ttlMs;
    return renewed.ttlMs > lifeMs / 2;
  }

  async #checkAll(): Promise<void> {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const [key, out] of this.#out) {
      if (out.untilMs <= nowMs) {
        this.#out.delete(key);
        if (out.made) await this.#takeBack(out.tenantId, out.made);
      } else if (!out.made) await this.#look(key, out);
    }
    for (const old of this.#retired.filter(({ untilMs }) => untilMs <= nowMs)) {
      this.#retired.splice(this.#retired.indexOf(old), 1);
      await this.#takeBack(old.tenantId, old.made);
    }
  }

  /** What cannot be looked at now is looked at the next time. */
  async #look(key: string, out: Out): Promise<void> {
    const { tenantId, integration } = out;
    const found = await findCredential(this.#parts.providers, tenantId, integration);
    if (this.#out.get(key) !== out || isCredentialFault(found)) return;
    if (found === undefined) {
      this.#out.delete(key);
      return this.#parts.onChange(tenantId, integration, 'revoked');
    }
    const fingerprint = this.#fingerprint(found);
    if (fingerprint === out.fingerprint) return;
    out.fingerprint = fingerprint;
    this.#parts.onChange(tenantId, integration, 'rotated');
  }

  #fingerprint({ provider, credential }: Found): string {
    const fields = [...credential.fields].map(([name, text]) => [name, text.reveal()]).sort();
    return createHmac('sha256', this.#parts.fingerprintKey)
      .update(JSON.stringify([provider.name, fields]))
      .digest('base64');
  }

  async #takeBack(tenantId: TenantId, { provider, lease }: Made): Promise<void> {
    const fault = await provider.leasing?.revoke(tenantId, lease);
    // It ends by itself.
    if (fault)
      this.#parts.log.warn('a made secret was not taken back', { tenant: tenantId, reason: fault.detail });
  }
}
