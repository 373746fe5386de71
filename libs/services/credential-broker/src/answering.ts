/** One ask, from the bus to its signed answer. */

import {
  credentialAskSchema,
  openSeal,
  readAskerKey,
  sealedSecretSchema,
  sealTo,
  sign,
  signedSchema,
  signerOf,
  verify,
  type CredentialAsk,
  type PublicKey,
  type SealedSecret,
  type SealKeys,
} from '@cruvero/contracts';
import {
  isGranted,
  SecretText,
  type CredentialFailure,
  type Integration,
  type Json,
  type TenantId,
} from '@cruvero/core';
import { isCredentialFault } from '@cruvero/ports';
import type { Clock, CredentialFault, CredentialProvider, Log, Metrics } from '@cruvero/ports';
import type { Audit, Audited } from './audit.ts';
import type { CredentialBrokerConfig } from './config.ts';
import type { Issuing } from './issuing.ts';
import type { NonceBook } from './nonces.ts';

export interface AnsweringParts {
  readonly keys: SealKeys;
  readonly issuing: Issuing;
  readonly nonces: Pick<NonceBook, 'judge'>;
  readonly providers: readonly CredentialProvider[];
  readonly audit: Pick<Audit, 'record'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'counter' | 'gauge'>;
  readonly tell: (tenantId: TenantId, integration: Integration, why: 'revoked' | 'rotated') => Promise<void>;
  readonly newLeaseId: () => string;
}

const atOnceMax = 512;
const strangersEveryMs = 10_000;

type About = Extract<CredentialAsk, { tenant: string }>;

/** An answer before it is tied to its question. */
type Body =
  | {
      readonly outcome: 'lease';
      readonly lease_id: string;
      readonly provider: string;
      readonly ttl_ms: number;
      readonly sealed: string;
    }
  | { readonly outcome: 'key'; readonly public_key: PublicKey }
  | { readonly outcome: 'written'; readonly provider: string; readonly still_in: readonly string[] }
  | {
      readonly outcome: 'refused';
      readonly why: CredentialFailure;
      readonly detail: string;
      readonly retry_after_ms: number;
    };

/** Said to whoever does not prove to be an asker; no word of it is signed, and so no word of it is believed. */
const nothing: Json = {};

export class Answering {
  readonly #config: CredentialBrokerConfig;
  readonly #parts: AnsweringParts;
  readonly #answers: ReturnType<Metrics['counter']>;
  #running = 0;
  #strangersSaidMs = -Infinity;

  constructor(config: CredentialBrokerConfig, parts: AnsweringParts) {
    this.#config = config;
    this.#parts = parts;
    this.#answers = parts.metrics.counter(
      'cruvero_credential_answers_total',
      'Answers of the credential broker',
    );
    parts.metrics.gauge('cruvero_credential_asks_running', 'Asks that are being answered', () => [
      { value: this.#running },
    ]);
  }

  async answer(body: Json): Promise<Json> {
    const signed = signedSchema.safeParse(body);
    const asker = signed.success ? signerOf(signed.data.jws) : undefined;
    const keyText = asker === undefined ? undefined : this.#config.askers.get(asker);
    const key = keyText && readAskerKey(keyText.reveal());
    if (!signed.success || asker === undefined || !key) return this.#stranger('an unknown asker');
    const claims = await verify('cruvero-credential-ask', asker, key, signed.data.jws);
    const ask = credentialAskSchema.safeParse(claims);
    if (!ask.success) return this.#stranger('a signature or a form that is not right');
    const { nonce, at_ms: atMs } = ask.data;
    const judged = this.#parts.nonces.judge(asker, nonce, atMs, this.#parts.clock.nowMs());
    if (judged === 'late' || judged === 'again') return this.#stranger(`an ask that came ${judged}`);
    const answer = judged === 'full' ? refused(tooMuch) : await this.#bounded(asker, ask.data);
    this.#answers.add(1, { outcome: answer.outcome });
    return { jws: await sign('cruvero-credential-answer', asker, key, { ...answer, nonce }) };
  }

  #stranger(why: string): Json {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#answers.add(1, { outcome: 'stranger' });
    if (nowMs - this.#strangersSaidMs >= strangersEveryMs) {
      this.#strangersSaidMs = nowMs;
      this.#parts.log.warn('somebody asked for credentials who may not', { why });
    }
    return nothing;
  }

  async #bounded(asker: string, ask: CredentialAsk): Promise<Body> {
    if (this.#running >= atOnceMax) return refused(tooMuch);
    this.#running += 1;
    const answered = await this.#answer(asker, ask).catch((error: unknown) => {
      this.#parts.log.error('an ask failed', { error });
      return refused({ fault: 'away', detail: 'the credential broker failed', retryAfterMs: 1_000 });
    });
    this.#running -= 1;
    return answered;
  }

  async #answer(asker: string, ask: CredentialAsk): Promise<Body> {
    if (ask.op === 'key') return { outcome: 'key', public_key: this.#parts.keys.publicKey };
    const grants = ask.op === 'lease' ? this.#config.grants : this.#config.writers;
    if (!isGranted(grants, asker, ask.tenant, ask.integration)) return this.#denied(asker, ask);
    switch (ask.op) {
      case 'lease':
        return this.#lease(asker, ask);
      case 'put':
        return this.#put(asker, ask);
      case 'delete':
        return this.#delete(asker, ask);
    }
  }

  #denied(asker: string, ask: About): Body {
    const detail = `${asker} may not ${ask.op === 'lease' ? 'have' : 'write'} this secret`;
    this.#record({ action: 'denied', asker, ...aboutOf(ask), reason: ask.op });
    return refused({ fault: 'denied', detail, retryAfterMs: 0 });
  }

  async #lease(asker: string, ask: Extract<About, { op: 'lease' }>): Promise<Body> {
    const { tenantId, integration } = namesOf(ask);
    const issue = await this.#parts.issuing.issue(tenantId, integration);
    if (issue === undefined || isCredentialFault(issue)) {
      const fault = issue ?? noSecret;
      const action = issue === undefined ? 'denied' : 'unavailable';
      this.#record({ action, asker, ...aboutOf(ask), reason: fault.detail });
      return refused(fault);
    }
    const leaseId = this.#parts.newLeaseId();
    const fields = Object.fromEntries([...issue.fields].map(([name, text]) => [name, text.reveal()]));
    const inside: SealedSecret = {
      nonce: ask.nonce,
      tenant: ask.tenant,
      integration: ask.integration,
      fields,
    };
    const sealed = await sealTo(ask.public_key, inside);
    const isRenewal = ask.renews !== undefined && !issue.rotated;
    this.#record({
      action: isRenewal ? 'renewed' : 'issued',
      asker,
      ...aboutOf(ask),
      lease_id: leaseId,
      provider: issue.provider,
    });
    // Others hold what was there before.
    if (issue.rotated) void this.#parts.tell(tenantId, integration, 'rotated');
    return {
      outcome: 'lease',
      lease_id: leaseId,
      provider: issue.provider,
      ttl_ms: issue.ttlMs,
      sealed,
    };
  }

  async #put(asker: string, ask: Extract<About, { op: 'put' }>): Promise<Body> {
    const { tenantId, integration } = namesOf(ask);
    const inside = sealedSecretSchema.safeParse(await openSeal(this.#parts.keys, ask.sealed));
    const isMeant =
      inside.success &&
      inside.data.nonce === ask.nonce &&
      inside.data.tenant === ask.tenant &&
      inside.data.integration === ask.integration;
    if (!isMeant)
      return refused({ ...anotherBroker, detail: 'the seal is not for this broker and this secret' });
    const provider = this.#parts.providers.find(({ writing }) => writing !== undefined);
    if (!provider?.writing) return refused(nowhere);
    const fields = new Map(
      Object.entries(inside.data.fields).map(([name, text]) => [name, new SecretText(text)]),
    );
    const fault = await provider.writing.put(tenantId, integration, fields);
    const { by } = ask;
    if (fault) {
      this.#record({ action: 'unavailable', asker, ...aboutOf(ask), by, reason: fault.detail });
      return refused(fault);
    }
    this.#record({ action: 'written', asker, ...aboutOf(ask), by, provider: provider.name });
    this.#parts.issuing.forget(tenantId, integration);
    await this.#parts.tell(tenantId, integration, 'rotated');
    return { outcome: 'written', provider: provider.name, still_in: [] };
  }

  /** Out of every place that can be written to; leases of it end, whatever else still has one of the name. */
  async #delete(asker: string, ask: Extract<About, { op: 'delete' }>): Promise<Body> {
    if (ask.broker !== this.#parts.keys.publicKey.x) return refused(anotherBroker);
    const { tenantId, integration } = namesOf(ask);
    const [gone, still]: [string[], string[]] = [[], []];
    for (const provider of this.#parts.providers) {
      const outcome = provider.writing
        ? await provider.writing.delete(tenantId, integration)
        : await provider.getCredentials(tenantId, integration);
      if (isCredentialFault(outcome) && outcome.fault !== 'unfit') {
        this.#record({ action: 'unavailable', asker, ...aboutOf(ask), by: ask.by, reason: outcome.detail });
        // Where it was found first it is gone: what was leased from there ends, though the work is half done.
        if (gone.length > 0) await this.#endLeases(tenantId, integration);
        return refused(outcome);
      }
      if (outcome === true) gone.push(provider.name);
      else if (outcome !== undefined && outcome !== false) still.push(provider.name);
    }
    await this.#endLeases(tenantId, integration);
    const [provider] = gone;
    if (provider === undefined && still.length === 0) return refused(noSecret);
    if (provider === undefined)
      return refused({ ...nowhere, detail: `it can only be read in: ${still.join(', ')}` });
    this.#record({ action: 'deleted', asker, ...aboutOf(ask), by: ask.by, provider: gone.join(',') });
    return { outcome: 'written', provider, still_in: still };
  }

  async #endLeases(tenantId: TenantId, integration: Integration): Promise<void> {
    await this.#parts.issuing.revoke(tenantId, integration);
    await this.#parts.tell(tenantId, integration, 'revoked');
  }

  #record(audited: Audited): void {
    this.#parts.audit.record(audited);
  }
}

const aboutOf = ({ tenant, integration }: About) => ({ tenant_id: tenant, integration });

/** The schema lets well-formed names through only. */
const namesOf = ({ tenant, integration }: About) => ({
  tenantId: tenant as TenantId,
  integration: integration as Integration,
});

const noSecret: CredentialFault = {
  fault: 'not_found',
  detail: 'no secret of this name is stored for this tenant',
  retryAfterMs: 0,
};
const anotherBroker: CredentialFault = {
  fault: 'unfit',
  detail: 'it is meant for another broker, or for another run of this one',
  retryAfterMs: 0,
};
const nowhere: CredentialFault = {
  fault: 'unfit',
  detail: 'no place for secrets can be written to',
  retryAfterMs: 0,
};
const tooMuch: CredentialFault = {
  fault: 'busy',
  detail: 'the credential broker has too much to do',
  retryAfterMs: 500,
};

function refused({ fault, detail, retryAfterMs }: CredentialFault): Body {
  const why: CredentialFailure = fault;
  return {
    outcome: 'refused',
    why,
    detail: detail.slice(0, 500),
    retry_after_ms: Math.ceil(retryAfterMs),
  };
}
