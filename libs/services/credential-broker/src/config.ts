/** What the broker is told at start: who may ask for what, and for how long what it gives is good. */

import { subjectPrefixSetting, type Reader } from '@cruvero/chassis';
import { askerPattern, readAskerKey } from '@cruvero/contracts';
import { readIntegration, readTenantId, SecretText, type CredentialGrant } from '@cruvero/core';

export interface CredentialBrokerConfig {
  readonly version: string;
  readonly subjectPrefix: string;
  /** Name → 32 bytes in base64. */
  readonly askers: ReadonlyMap<string, SecretText>;
  /** Who may have which secrets. */
  readonly grants: readonly CredentialGrant[];
  /** Who may write and delete which secrets. */
  readonly writers: readonly CredentialGrant[];
  /** Longest life of a lease. */
  readonly leaseMs: number;
  /** How often secrets that are out are looked at again: how soon a rotation behind the broker's back is seen. */
  readonly recheckMs: number;
}

const dayMs = 86_400_000;

export function credentialBrokerConfig(read: Reader): CredentialBrokerConfig {
  return {
    ...credentialBrokerTerms(read),
    askers: askers(read),
    grants: grants(read, 'CRUVERO_CREDENTIAL_GRANTS', 'Which secrets an asker may have'),
    writers: grants(read, 'CRUVERO_CREDENTIAL_WRITERS', 'Which secrets an asker may write and delete'),
  };
}

/** Without who may ask: where all are in one process, that is known. */
export function credentialBrokerTerms(
  read: Reader,
): Omit<CredentialBrokerConfig, 'askers' | 'grants' | 'writers'> {
  return {
    version: '0.1.0',
    subjectPrefix: subjectPrefixSetting(read),
    leaseMs: read.durationMs('CRUVERO_CREDENTIAL_LEASE', {
      orElse: 300_000,
      min: 1_000,
      max: dayMs / 24,
      help: 'How long a credential may be used before it has to be asked for again; while the broker is away, held ones go on so long.',
    }),
    recheckMs: read.durationMs('CRUVERO_CREDENTIAL_RECHECK', {
      orElse: 10_000,
      min: 100,
      max: dayMs / 24,
      help: 'How often secrets in use are looked at again, so that one that was rotated or deleted in its store is noticed.',
    }),
  };
}

function askers(read: Reader): ReadonlyMap<string, SecretText> {
  const name = 'CRUVERO_CREDENTIAL_ASKERS';
  const text = read.secret(name, {
    optional: true,
    help: 'Services that may ask, each with its key: gw-1=<32 bytes in base64>,bridge-1=<…>. Each service has its own in CRUVERO_CREDENTIAL_KEY.',
  });
  const keys = new Map<string, SecretText>();
  for (const [at, item] of (text?.reveal() ?? '').split(',').entries()) {
    if (item.trim() === '') continue;
    const [, asker = '', key = ''] = /^([^=]*)=(.*)$/.exec(item.trim()) ?? [];
    const isWell = askerPattern.test(asker) && readAskerKey(key) !== undefined && !keys.has(asker);
    if (isWell) keys.set(asker, new SecretText(key));
    else
      read.refuse(
        name,
        `has a bad item ${at + 1}: it must be a name that is there once, =, and 32 bytes in base64`,
      );
  }
  return keys;
}

const grantPattern = /^([^:]+):([^/]+)\/([^/]+)$/;

function readGrant(text: string): CredentialGrant | undefined {
  const [, asker = '', tenant = '', integration = ''] = grantPattern.exec(text) ?? [];
  const isWell =
    askerPattern.test(asker) &&
    (tenant === '*' || readTenantId(tenant) !== undefined) &&
    (integration === '*' || readIntegration(integration) !== undefined);
  return isWell ? { asker, tenant, integration } : undefined;
}

function grants(read: Reader, name: string, what: string): readonly CredentialGrant[] {
  const items = read.list(name, {
    orElse: [],
    refuseItem: (item) =>
      readGrant(item)
        ? undefined
        : 'must be asker:tenant/integration, with * for every tenant or every integration',
    help: `${what}: gw-1:*/*,bridge-1:acme/github. Whoever is not named gets nothing.`,
  });
  return items.map(readGrant).filter((grant) => grant !== undefined);
}
