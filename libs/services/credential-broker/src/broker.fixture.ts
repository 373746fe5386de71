/** A broker over the memory bus under simulated time, providers that can fail, and an asker that speaks by hand. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { memoryBroker } from '@cruvero/adapter-memory';
import {
  credentialAnswerSchema,
  credentialBroadcastSchema,
  credentialRevokedSchema,
  credentialSubjects,
  newSealKeys,
  openSeal,
  sealedSecretSchema,
  sealTo,
  sign,
  signedSchema,
  streams,
  verify,
  type CredentialAnswer,
  type CredentialAudit,
  type PublicKey,
} from '@cruvero/contracts';
import { SecretText, type Json } from '@cruvero/core';
import {
  isBusFault,
  type Bus,
  type Credential,
  type CredentialFault,
  type CredentialProvider,
  type StoreLease,
} from '@cruvero/ports';
import { MemoryTelemetry, settle, SimClock } from '@cruvero/testkit';
import { startCredentialBroker } from './broker.ts';
import type { CredentialBrokerConfig } from './config.ts';

export const secret = (fields: Readonly<Record<string, string>>) =>
  new Map(Object.entries(fields).map(([name, text]) => [name, new SecretText(text)]));

/** Secrets by `tenant/integration`, and a switch that makes it fail. */
export class FakeProvider implements CredentialProvider {
  readonly name: string;
  readonly secrets = new Map<string, Credential>();
  readonly revoked: string[] = [];
  readonly renewed: string[] = [];
  fault: CredentialFault | undefined;
  /** Given by `renew`. */
  renewal: StoreLease | CredentialFault | undefined;
  /** Made anew at each question. */
  make: (() => Credential) | undefined;
  reads = 0;
  gate: Promise<void> | undefined;
  writing?: NonNullable<CredentialProvider['writing']>;

  constructor(name: string, options: { readonly writes?: boolean } = {}) {
    this.name = name;
    if (options.writes === true) {
      this.writing = {
        put: async (tenant, integration, fields) => {
          if (this.fault) return this.fault;
          this.secrets.set(`${tenant}/${integration}`, { fields });
          return undefined;
        },
        delete: async (tenant, integration) => this.fault ?? this.secrets.delete(`${tenant}/${integration}`),
      };
    }
  }

  readonly leasing: NonNullable<CredentialProvider['leasing']> = {
    renew: async (_tenant, lease) => {
      this.renewed.push(lease.id);
      return this.renewal ?? lease;
    },
    revoke: async (_tenant, lease) => {
      this.revoked.push(lease.id);
      return this.fault;
    },
  };

  async getCredentials(
    tenant: string,
    integration: string,
  ): Promise<Credential | undefined | CredentialFault> {
    this.reads += 1;
    const read = this.fault ?? this.make?.() ?? this.secrets.get(`${tenant}/${integration}`);
    await this.gate;
    return read;
  }

  unready(): string | undefined {
    return this.fault?.detail;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export const keyOf = (asker: string): Uint8Array => new Uint8Array(32).fill(asker.length);
export const keyText = (asker: string): SecretText =>
  new SecretText(Buffer.from(keyOf(asker)).toString('base64'));

export const config: CredentialBrokerConfig = {
  version: '0.1.0',
  subjectPrefix: 'cruvero',
  askers: new Map([
    ['gw-1', keyText('gw-1')],
    ['bridge', keyText('bridge')],
    ['registry', keyText('registry')],
  ]),
  grants: [
    { asker: 'gw-1', tenant: '*', integration: '*' },
    { asker: 'bridge', tenant: 'acme', integration: 'github' },
  ],
  writers: [{ asker: 'registry', tenant: '*', integration: '*' }],
  leaseMs: 60_000,
  recheckMs: 10_000,
};

/** Without a look at the signature. */
const claimsOf = (jws: string): unknown =>
  JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString());

export interface Lease {
  readonly id: string;
  readonly provider: string;
  readonly ttlMs: number;
  readonly fields: Readonly<Record<string, string>>;
}

export async function openBroker(
  providers: readonly CredentialProvider[],
  more: Partial<CredentialBrokerConfig> = {},
) {
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  const hub = memoryBroker({ clock, random: () => 0.5, log: telemetry.log });
  const [brokerBus, bus] = [hub.connect(), hub.connect()];
  const broker = await startCredentialBroker(
    { ...config, ...more },
    { bus: brokerBus, clock, telemetry, providers },
  );
  await bus.ensureStream(streams('cruvero').events);
  const revoked: string[] = [];
  const heard: Json[] = [];
  const subjects = credentialSubjects('cruvero');
  bus.subscribe(subjects.revoked, ({ body }) => {
    const { to } = credentialBroadcastSchema.parse(body);
    const read = credentialRevokedSchema.parse(claimsOf(to['gw-1'] ?? ''));
    revoked.push(`${read.why} ${read.tenant}/${read.integration}`);
  });
  for (const subject of ['cruvero.>']) bus.subscribe(subject, ({ body }) => void heard.push(body));
  const keys = await newSealKeys();

  /** The answer of the bus as it is, to an ask as it is. */
  async function raw(body: Json): Promise<Json> {
    const asked = bus.request(subjects.ask, body, 5_000);
    const answered = await pass(asked);
    if (isBusFault(answered)) assert.fail(answered.fault);
    return answered.body;
  }

  /** Time stands still unless a test moves it, but the memory bus delivers later. */
  async function pass<T>(work: Promise<T>): Promise<T> {
    const state = { over: false };
    const done = work.finally(() => (state.over = true));
    for (let left = 5_000; !state.over && left > 0; left -= 1) {
      await clock.advance(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return done;
  }

  const nonce = (): string => randomBytes(18).toString('base64url');

  async function ask(
    asker: string,
    claims: object,
    signedAs = asker,
    key = keyOf(asker),
  ): Promise<CredentialAnswer> {
    const jws = await sign('cruvero-credential-ask', signedAs, key, {
      nonce: nonce(),
      at_ms: clock.nowMs(),
      ...claims,
    });
    const answered = signedSchema.parse(await raw({ jws }));
    return credentialAnswerSchema.parse(
      await verify('cruvero-credential-answer', asker, keyOf(asker), answered.jws),
    );
  }

  async function lease(
    asker: string,
    tenant: string,
    integration: string,
    renews?: string,
  ): Promise<Lease | string> {
    const claims = {
      op: 'lease',
      tenant,
      integration,
      public_key: keys.publicKey,
      ...(renews ? { renews } : {}),
    };
    const answer = await ask(asker, claims);
    if (answer.outcome !== 'lease') return answer.outcome === 'refused' ? answer.why : answer.outcome;
    const inside = sealedSecretSchema.parse(await openSeal(keys, answer.sealed));
    assert.deepEqual([inside.tenant, inside.integration, inside.nonce], [tenant, integration, answer.nonce]);
    return { id: answer.lease_id, provider: answer.provider, ttlMs: answer.ttl_ms, fields: inside.fields };
  }

  /** Until every change that was written down was said, or could not be. */
  async function told(): Promise<void> {
    await settle();
    const { lines } = telemetry;
    const changes = lines.filter(({ fields }) => /^(revoked|rotated)$/.test(String(fields['action'])));
    for (let left = 500; left > 0; left -= 1) {
      const unsaid = lines.filter(({ message }) => message === 'a revocation could not be said');
      if (revoked.length + unsaid.length >= changes.length) return;
      await settle(1);
    }
  }

  /** Until so many asks are being answered, and so many were refused. */
  async function busyWith(asks: number, refusals = 0): Promise<void> {
    const refused = (): number => telemetry.counts.get(refusedKey) ?? 0;
    const refusedKey = 'cruvero_credential_answers_total{"outcome":"refused"}';
    for (let left = 4_000; ; left -= 1) {
      const running = telemetry.gauge('cruvero_credential_asks_running');
      if (running === asks && refused() === refusals) return;
      if (left === 0) assert.fail(`${running} asks are being answered, ${refused()} were refused`);
      await clock.advance(0);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  async function brokerKey(): Promise<PublicKey> {
    const answer = await ask('registry', { op: 'key' });
    assert.ok(answer.outcome === 'key');
    return answer.public_key;
  }

  async function put(
    tenant: string,
    integration: string,
    fields: object,
    more: object = {},
  ): Promise<CredentialAnswer> {
    const own = nonce();
    const inside = { nonce: own, tenant, integration, fields, ...more };
    const sealed = await sealTo(await brokerKey(), inside);
    return ask('registry', { nonce: own, op: 'put', tenant, integration, sealed, by: 'ann' });
  }

  const remove = async (tenant: string, integration: string): Promise<CredentialAnswer> =>
    ask('registry', { op: 'delete', tenant, integration, by: 'ann', broker: (await brokerKey()).x });

  /** Asks of this kind as whoever listens on the bus has them. */
  const captured = (op: string): readonly Json[] =>
    heard.filter((body) => {
      const signed = signedSchema.safeParse(body);
      return signed.success && (claimsOf(signed.data.jws) as { readonly op?: string }).op === op;
    });

  const audits = (): readonly CredentialAudit[] =>
    heard.filter(
      (body) => typeof body === 'object' && body !== null && 'action' in body,
    ) as unknown as CredentialAudit[];

  return {
    clock,
    telemetry,
    bus: bus as Bus,
    hub,
    broker,
    revoked,
    heard,
    raw,
    ask,
    lease,
    put,
    remove,
    busyWith,
    captured,
    pass,
    nonce,
    keys,
    audits,
    actions: () =>
      audits().map(
        ({ action, asker, tenant_id: tenant, integration }) => `${action} ${asker} ${tenant}/${integration}`,
      ),
    settle: async () => pass(told()),
    [Symbol.asyncDispose]: () => pass(Promise.resolve(broker[Symbol.asyncDispose]())),
  };
}

export function leased(lease: Lease | string): Lease {
  if (typeof lease === 'string') assert.fail(`no lease: ${lease}`);
  return lease;
}
