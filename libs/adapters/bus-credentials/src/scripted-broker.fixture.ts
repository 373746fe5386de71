/** A holder of leases over the memory bus under simulated time, and a broker that follows a script. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { memoryBroker } from '@cruvero/adapter-memory';
import {
  credentialAskSchema,
  credentialSubjects,
  newSealKeys,
  sealTo,
  sign,
  signedSchema,
  verify,
  type CredentialAsk,
} from '@cruvero/contracts';
import type { CredentialFailure, Integration, Json, TenantId } from '@cruvero/core';
import { isCredentialFault } from '@cruvero/ports';
import type { BusMessage, CredentialFault, CredentialLease } from '@cruvero/ports';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { busCredentials } from './bus-credentials.ts';

const key = new Uint8Array(32).fill(7);
const newNonce = (): string => randomBytes(18).toString('base64url');
export const acme = 'acme' as TenantId;
export const github = 'github' as Integration;
export const subjects = credentialSubjects('cruvero');

/** What the broker answers in place of the usual; undefined: the usual. */
export type Step = (ask: CredentialAsk) => object | undefined | Promise<object | undefined>;

export async function open(leasesMax?: number) {
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  const hub = memoryBroker({ clock, random: () => 0.5, log: telemetry.log });
  const [bus, brokerBus] = [hub.connect(), hub.connect()];
  const brokerKeys = await newSealKeys();
  const rig = {
    token: 'one',
    ttlMs: 60_000,
    asks: [] as CredentialAsk[],
    refusal: undefined as { readonly why: CredentialFailure; readonly retryAfterMs: number } | undefined,
    /** In place of the usual answer. */
    step: undefined as Step | undefined,
    answersAs: 'cruvero-credential-answer' as 'cruvero-credential-answer' | 'cruvero-credential-ask',
    gate: undefined as Promise<void> | undefined,
    /** Instead of a signed answer. */
    raw: undefined as Json | undefined,
  };
  let leases = 0;
  async function usual(ask: CredentialAsk): Promise<object> {
    if (rig.refusal)
      return {
        outcome: 'refused',
        why: rig.refusal.why,
        detail: 'said',
        retry_after_ms: rig.refusal.retryAfterMs,
      };
    if (ask.op === 'key') return { outcome: 'key', public_key: brokerKeys.publicKey };
    if (ask.op !== 'lease') return { outcome: 'written', provider: 'vault', still_in: [ask.op] };
    const { tenant, integration, nonce } = ask;
    const sealed = await sealTo(ask.public_key, { nonce, tenant, integration, fields: { token: rig.token } });
    return { outcome: 'lease', lease_id: `l${(leases += 1)}`, provider: 'vault', ttl_ms: rig.ttlMs, sealed };
  }
  brokerBus.respond(`${subjects.ask}.>`, (message) => respond(message), { atOnce: true });
  brokerBus.respond(subjects.ask, (message) => respond(message), { atOnce: true });
  async function respond({ body }: BusMessage): Promise<Json> {
    const { jws } = signedSchema.parse(body);
    const ask = credentialAskSchema.parse(await verify('cruvero-credential-ask', 'gw-1', key, jws));
    rig.asks.push(ask);
    const answer = (await rig.step?.(ask)) ?? (await usual(ask));
    await rig.gate;
    if (rig.raw !== undefined) return rig.raw;
    return { jws: await sign(rig.answersAs, 'gw-1', key, { nonce: ask.nonce, ...answer }) };
  }
  const options = {
    asker: 'gw-1',
    key,
    subjectPrefix: 'cruvero',
    ...(leasesMax === undefined ? {} : { leasesMax }),
  };
  const { metrics, log } = telemetry;
  const credentials = await busCredentials(options, { bus, clock, random: () => 0.5, log, metrics });
  const changes: string[] = [];
  const listening = credentials.onChange(({ tenantId, integration, change }) =>
    changes.push(`${change} ${tenantId}/${integration}`),
  );
  /** Lets what is under way come to its end; time stands still. */
  async function pass<T>(work: Promise<T>): Promise<T> {
    const state = { over: false };
    const done = work.finally(() => (state.over = true));
    for (let left = 5_000; !state.over && left > 0; left -= 1) {
      await clock.advance(0);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return done;
  }
  const isTold = (name: string): number =>
    [...telemetry.counts].reduce((sum, [key, value]) => sum + (key.startsWith(name) ? value : 0), 0);
  /** Waits until so many questions were answered in all, and what follows from the last one was done. */
  async function answers(count: number): Promise<void> {
    for (let left = 2_000; isTold('cruvero_credential_asks_total') < count; left -= 1) {
      if (left === 0) assert.fail(`not ${count} answers but ${isTold('cruvero_credential_asks_total')}`);
      await clock.advance(0);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await clock.advance(0);
  }
  /** What was asked is answered; one that is only about to be asked comes a moment later. */
  async function quiet(): Promise<void> {
    await settled();
    await answers(rig.asks.length);
  }
  const settled = (): Promise<void> => pass(new Promise((resolve) => setTimeout(resolve, 15)));
  const lease = async (tenant = acme, integration = github): Promise<CredentialLease> => {
    const leased = await pass(credentials.lease(tenant, integration));
    if (isCredentialFault(leased)) assert.fail(`${leased.fault}: ${leased.detail}`);
    return leased;
  };
  const fault = async (): Promise<CredentialFault> => {
    const leased = await pass(credentials.lease(acme, github));
    assert.ok(isCredentialFault(leased));
    return leased;
  };
  /** As the broker says it, unless `more` says otherwise. */
  const broadcast = async (more: object = {}, signedWith = key): Promise<Json> => {
    const claims = {
      tenant: 'acme',
      integration: 'github',
      why: 'rotated',
      nonce: newNonce(),
      at_ms: clock.nowMs(),
    };
    const jws = await sign('cruvero-credential-revoked', 'gw-1', signedWith, { ...claims, ...more });
    return { to: { other: 'x.y.z', 'gw-1': jws } };
  };
  const say = async (body: Json): Promise<void> => {
    await brokerBus.publish(subjects.revoked, body);
    await settled();
  };
  const revoke = async (why: 'revoked' | 'rotated', integration = 'github'): Promise<void> =>
    say(await broadcast({ why, integration }));
  return {
    ...{
      rig,
      clock,
      telemetry,
      hub,
      credentials,
      changes,
      listening,
      pass,
      settled,
      answers,
      quiet,
      lease,
      fault,
      revoke,
      broadcast,
      say,
      brokerBus,
      brokerKeys,
    },
    [Symbol.asyncDispose]: () => pass(Promise.resolve(credentials[Symbol.asyncDispose]())),
  };
}
