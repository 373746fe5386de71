/** The credential broker of the embedded layout, and those in this process who ask it: each with a key that lives as long as it. */

import { randomBytes } from 'node:crypto';
import { busCredentials, type BusCredentials } from '@cruvero/adapter-bus-credentials';
import { systemClock, systemRandom, type Env } from '@cruvero/chassis';
import { SecretText } from '@cruvero/core';
import type { Bus, Telemetry } from '@cruvero/ports';
import { openProviders, startCredentialBroker } from '@cruvero/service-credential-broker';
import { makers } from './secret-places.ts';
import type { EmbeddedSettings } from './settings.ts';

export interface CredentialParts {
  readonly env: Env;
  readonly telemetry: Telemetry;
  readonly connect: (service: string) => Promise<Bus>;
  /** What is opened here is closed by its owner, last first. */
  readonly stack: AsyncDisposableStack;
}

export interface EmbeddedCredentials {
  readonly gateway: BusCredentials;
  readonly bridge: BusCredentials;
  readonly registry: BusCredentials;
}

const askers = ['gateway', 'bridge', 'registry'] as const;
const everything = { tenant: '*', integration: '*' } as const;

export async function startCredentials(
  config: EmbeddedSettings,
  { env, telemetry, connect, stack }: CredentialParts,
): Promise<EmbeddedCredentials> {
  const shared = { clock: systemClock, random: systemRandom };
  const { log, metrics } = telemetry;
  const keys = new Map(askers.map((asker) => [asker, new Uint8Array(randomBytes(32))] as const));
  const providers = await openProviders(config.providers, makers, { ...shared, log, env });
  for (const provider of providers) stack.use(provider);
  const { broker, gateway } = config;
  const own = {
    ...broker,
    askers: new Map(
      [...keys].map(([asker, key]) => [asker, new SecretText(Buffer.from(key).toString('base64'))]),
    ),
    grants: [
      { asker: 'gateway', ...everything },
      { asker: 'bridge', tenant: gateway.tenantId, integration: '*' },
    ],
    writers: [{ asker: 'registry', ...everything }],
  };
  const bus = stack.use(await connect('credential-broker'));
  stack.use(await startCredentialBroker(own, { bus, providers, clock: systemClock, telemetry }));
  const asking = async (asker: (typeof askers)[number]): Promise<BusCredentials> => {
    const key = keys.get(asker) ?? new Uint8Array();
    const options = { asker, key, subjectPrefix: gateway.subjectPrefix };
    return stack.use(
      await busCredentials(options, {
        bus: stack.use(await connect(`${asker}-credentials`)),
        ...shared,
        log,
        metrics,
      }),
    );
  };
  return {
    gateway: await asking('gateway'),
    bridge: await asking('bridge'),
    registry: await asking('registry'),
  };
}
