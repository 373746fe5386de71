/** One question to the credential broker at a time: signed, answered to this question only, its secret sealed to this run. */

import {
  credentialAnswerSchema,
  credentialSubjects,
  newSealKeys,
  openSeal,
  sealedSecretSchema,
  sealTo,
  sign,
  signedSchema,
  verify,
  type CredentialAnswer,
  type SealedSecret,
  type SealKeys,
} from '@cruvero/contracts';
import { SecretText, type Integration, type Json, type SecretFields, type TenantId } from '@cruvero/core';
import { isBusFault, isCredentialFault } from '@cruvero/ports';
import type { Bus, Clock, CredentialFault, CredentialLease, SecretWritten } from '@cruvero/ports';

export interface TalkOptions {
  readonly asker: string;
  /** 32 bytes, shared with the broker. */
  readonly key: Uint8Array;
  readonly subjectPrefix: string;
  readonly timeoutMs: number;
}

export interface TalkParts {
  readonly bus: Pick<Bus, 'request'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly bytes: (count: number) => Uint8Array;
}

export interface Issued {
  readonly lease: CredentialLease;
  readonly ttlMs: number;
}

const nonceBytes = 18;

export class BrokerTalk {
  readonly #options: TalkOptions;
  readonly #parts: TalkParts;
  readonly #keys: SealKeys;

  private constructor(options: TalkOptions, parts: TalkParts, keys: SealKeys) {
    this.#options = options;
    this.#parts = parts;
    this.#keys = keys;
  }

  static async open(options: TalkOptions, parts: TalkParts): Promise<BrokerTalk> {
    return new BrokerTalk(options, parts, await newSealKeys());
  }

  async lease(
    tenantId: TenantId,
    integration: Integration,
    renews: string | undefined,
  ): Promise<Issued | CredentialFault> {
    const about = { tenant: tenantId, integration };
    const answer = await this.#ask('lease', {
      op: 'lease',
      ...about,
      public_key: this.#keys.publicKey,
      ...(renews === undefined ? {} : { renews }),
    });
    if (isCredentialFault(answer)) return answer;
    const { lease_id: leaseId, provider, ttl_ms: ttlMs, sealed, nonce } = answer;
    const fields = await this.#open(sealed, { ...about, nonce });
    return fields ? { lease: { leaseId, provider, fields }, ttlMs } : notOurs;
  }

  async put(
    tenantId: TenantId,
    integration: Integration,
    fields: SecretFields,
    by: string,
  ): Promise<SecretWritten | CredentialFault> {
    const key = await this.#ask('key', { op: 'key' });
    if (isCredentialFault(key)) return key;
    const { public_key: broker } = key;
    const nonce = this.#nonce();
    const about = { tenant: tenantId, integration };
    const plain = Object.fromEntries([...fields].map(([name, text]) => [name, text.reveal()]));
    const sealed = await sealTo(broker, { nonce, ...about, fields: plain } satisfies SealedSecret);
    return written(
      await this.#ask('written', { op: 'put', ...about, sealed, by }, { nonce, broker: broker.x }),
    );
  }

  async delete(
    tenantId: TenantId,
    integration: Integration,
    by: string,
  ): Promise<SecretWritten | CredentialFault> {
    const key = await this.#ask('key', { op: 'key' });
    if (isCredentialFault(key)) return key;
    const { x: broker } = key.public_key;
    const claims = { op: 'delete', tenant: tenantId, integration, by, broker };
    return written(await this.#ask('written', claims, { broker }));
  }

  #nonce(): string {
    return Buffer.from(this.#parts.bytes(nonceBytes)).toString('base64url');
  }

  /** The answer of this kind, of any broker unless one is named by its key; a refusal, silence, and whatever does not prove itself are faults. */
  async #ask<Kind extends CredentialAnswer['outcome']>(
    kind: Kind,
    claims: object,
    { nonce = this.#nonce(), broker }: { readonly nonce?: string; readonly broker?: string } = {},
  ): Promise<Extract<CredentialAnswer, { outcome: Kind }> | CredentialFault> {
    const { asker, key, subjectPrefix, timeoutMs } = this.#options;
    const { bus, clock } = this.#parts;
    const asked = { ...claims, nonce, at_ms: clock.nowMs() };
    const jws = await sign('cruvero-credential-ask', asker, key, asked);
    const { ask, askOf } = credentialSubjects(subjectPrefix);
    const heard = await bus.request(broker === undefined ? ask : askOf(broker), { jws }, timeoutMs);
    if (isBusFault(heard) && heard.fault === 'message_too_large') return tooLarge;
    if (isBusFault(heard)) return away(`the credential broker does not answer (${heard.fault})`);
    const answer = await this.#read(heard.body, nonce);
    if (answer === undefined) return notOurs;
    if (answer.outcome === 'refused')
      return { fault: answer.why, detail: answer.detail, retryAfterMs: answer.retry_after_ms };
    return isKind(answer, kind) ? answer : notOurs;
  }

  async #read(body: Json, nonce: string): Promise<CredentialAnswer | undefined> {
    const signed = signedSchema.safeParse(body);
    if (!signed.success) return undefined;
    const { asker, key } = this.#options;
    const claims = await verify('cruvero-credential-answer', asker, key, signed.data.jws);
    const answer = credentialAnswerSchema.safeParse(claims);
    return answer.success && answer.data.nonce === nonce ? answer.data : undefined;
  }

  /** A secret that was sealed for another question, tenant or integration is none. */
  async #open(sealed: string, about: Omit<SealedSecret, 'fields'>): Promise<SecretFields | undefined> {
    const read = sealedSecretSchema.safeParse(await openSeal(this.#keys, sealed));
    if (!read.success) return undefined;
    const { nonce, tenant, integration, fields } = read.data;
    if (nonce !== about.nonce || tenant !== about.tenant || integration !== about.integration)
      return undefined;
    return new Map(Object.entries(fields).map(([name, text]) => [name, new SecretText(text)]));
  }
}

function isKind<Kind extends CredentialAnswer['outcome']>(
  answer: CredentialAnswer,
  kind: Kind,
): answer is Extract<CredentialAnswer, { outcome: Kind }> {
  return answer.outcome === kind;
}

function written(
  answer: Extract<CredentialAnswer, { outcome: 'written' }> | CredentialFault,
): SecretWritten | CredentialFault {
  return isCredentialFault(answer) ? answer : { provider: answer.provider, stillIn: answer.still_in };
}

const away = (detail: string): CredentialFault => ({ fault: 'away', detail, retryAfterMs: 0 });
const tooLarge: CredentialFault = {
  fault: 'unfit',
  detail: 'it is larger than the bus takes',
  retryAfterMs: 0,
};
const notOurs = away('what answers for the credential broker does not prove to be it');
