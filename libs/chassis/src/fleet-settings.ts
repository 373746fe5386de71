/** Settings that several services share, each read in one way only. */

import { defaultTenant, readTenantId, type TenantId } from '@cruvero/core';
import type { Reader } from './config-types.ts';
import { Secret } from './secret.ts';

/** CRUVERO_MCPGW_TENANT_ID: the tenant of whoever names none. */
export function tenantSetting(read: Reader): TenantId {
  const name = 'CRUVERO_MCPGW_TENANT_ID';
  const text = read.text(name, {
    orElse: defaultTenant,
    help: 'Tenant of servers and callers that name none.',
  });
  const tenant = readTenantId(text);
  if (tenant) return tenant;
  read.refuse(name, 'must be 1 to 63 letters, digits, - or _');
  return defaultTenant;
}

/** CRUVERO_EVENTS_SUBJECT_PREFIX: the first part of the subjects of server life. */
export function subjectPrefixSetting(read: Reader): string {
  const name = 'CRUVERO_EVENTS_SUBJECT_PREFIX';
  const help = 'First part of every NATS subject of server life, as in cruvero.mcp.announce.';
  const prefix = read.text(name, { orElse: 'cruvero', help });
  if (/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(prefix)) return prefix;
  read.refuse(name, 'must be words of letters, digits, - or _, with dots between them');
  return prefix;
}

/** CRUVERO_NATS_URL, kept as a secret because a password may stand in it. `check` gives `{problem}` for what is no address. */
export function natsUrlSetting(read: Reader, check: (url: string) => object): Secret {
  const name = 'CRUVERO_NATS_URL';
  const help =
    'NATS server, several with commas: nats://host:4222 or tls://host:4222. Default nats://localhost:4222.';
  const url = read.secret(name, { optional: true, help }) ?? new Secret('nats://localhost:4222');
  const address = check(url.reveal());
  if ('problem' in address) read.refuse(name, `is wrong: ${String(address.problem)}`);
  return url;
}

/** Who a service is to the credential broker, and by what it proves it. */
export interface AskerSettings {
  readonly asker: string;
  /** 32 bytes in base64. */
  readonly key: Secret;
}

/** CRUVERO_CREDENTIAL_KEY and CRUVERO_CREDENTIAL_ASKER; undefined where there is no key: nobody is asked then. */
export function askerSettings(read: Reader, orElse: string): AskerSettings | undefined {
  const keyName = 'CRUVERO_CREDENTIAL_KEY';
  const key = read.secret(keyName, {
    optional: true,
    help: 'Key of this service towards the credential broker: 32 bytes in base64, as in its CRUVERO_CREDENTIAL_ASKERS. Without it no credential is asked for.',
  });
  if (key && !/^[A-Za-z0-9+/_-]{43}=?$/.test(key.reveal()))
    read.refuse(keyName, 'must be 32 bytes in base64');
  const askerName = 'CRUVERO_CREDENTIAL_ASKER';
  const asker =
    read.optionalText(askerName, {
      help: "Name of this service among the broker's askers. Without it: the gateway's id, the bridge's id, or registry.",
    }) ?? orElse;
  if (key && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(asker))
    read.refuse(askerName, 'must be 1 to 63 letters, digits, dots, - or _');
  return key && { asker, key };
}
