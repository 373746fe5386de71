/** The credential broker: answers whoever proves to be somebody that may know, seals what it gives, and writes down that it did. */

import { randomBytes, randomUUID } from 'node:crypto';
import { credentialSubjects, newSealKeys } from '@cruvero/contracts';
import type { Integration, TenantId } from '@cruvero/core';
import type { Bus, Clock, CredentialProvider, Subscription, Telemetry } from '@cruvero/ports';
import { Answering } from './answering.ts';
import { Audit } from './audit.ts';
import { broadcastsOf } from './broadcast.ts';
import type { CredentialBrokerConfig } from './config.ts';
import { Issuing } from './issuing.ts';
import { NonceBook } from './nonces.ts';

export interface CredentialBrokerPorts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  /** In the order in which they are asked; they stay their owner's. */
  readonly providers: readonly CredentialProvider[];
}

export interface CredentialBroker extends AsyncDisposable {
  /** Why it cannot be asked now; undefined where it can. A provider that is away does not make it unready: others may have what is asked for. */
  unready(): string | undefined;
  /** The providers that cannot be asked now, with the reason. */
  troubles(): Readonly<Record<string, string>>;
}

const clocksDifferMsMax = 60_000;
const nonceBytes = 18;

export async function startCredentialBroker(
  config: CredentialBrokerConfig,
  { bus, clock, telemetry, providers }: CredentialBrokerPorts,
): Promise<CredentialBroker> {
  const { subjectPrefix } = config;
  const subjects = credentialSubjects(subjectPrefix);
  const log = telemetry.log.with({ part: 'credential-broker' });
  const audit = new Audit({ bus, clock, log, subjectPrefix, newId: randomUUID });
  const tell = async (
    tenantId: TenantId,
    integration: Integration,
    why: 'revoked' | 'rotated',
  ): Promise<void> => {
    audit.record({ action: why, asker: '*', tenant_id: tenantId, integration });
    const nonce = randomBytes(nonceBytes).toString('base64url');
    const claims = { tenant: tenantId, integration, why, nonce, at_ms: clock.nowMs() };
    const messages = await broadcastsOf(config.askers, claims);
    const faults = await Promise.all(messages.map((message) => bus.publish(subjects.revoked, message)));
    const fault = faults.find((one) => one !== undefined);
    // Holders ask again by themselves as soon as the bus is back.
    if (fault)
      log.warn('a revocation could not be said', { tenant: tenantId, integration, reason: fault.fault });
  };
  const issuing = new Issuing({
    providers,
    clock,
    log,
    leaseMs: config.leaseMs,
    fingerprintKey: randomBytes(32),
    onChange: (...change) => void tell(...change),
  });
  const keys = await newSealKeys();
  const answering = new Answering(config, {
    keys,
    issuing,
    nonces: new NonceBook(clocksDifferMsMax),
    providers,
    audit,
    clock,
    log,
    metrics: telemetry.metrics,
    tell,
    newLeaseId: () => randomBytes(12).toString('base64url'),
  });
  telemetry.metrics.gauge(
    'cruvero_credential_secrets_leased',
    'Secrets that somebody holds a lease of',
    () => [{ value: issuing.size }],
  );
  const timer = clock.every(config.recheckMs, () => void issuing.check());
  const respond = (subject: string): Subscription =>
    bus.respond(subject, (message) => answering.answer(message.body), { atOnce: true });
  // Any of several brokers gives a lease; a secret is written by the one that it is sealed to.
  const responding = [respond(subjects.ask), respond(subjects.askOf(keys.publicKey.x))];
  return {
    unready: () => (bus.state() === 'connected' ? undefined : 'the bus is not connected'),
    troubles: () => troublesOf(providers),
    [Symbol.asyncDispose]: async () => {
      timer.cancel();
      await Promise.all(responding.map((one) => one.close()));
      await issuing.close();
      await audit.settled();
    },
  };
}

const troublesOf = (providers: readonly CredentialProvider[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    providers.flatMap((provider) => {
      const trouble = provider.unready();
      return trouble === undefined ? [] : [[provider.name, trouble]];
    }),
  );
