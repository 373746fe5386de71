/** Secrets out of variables of the environment, each named for one tenant, one integration and one field. */

import {
  readIntegration,
  readTenantId,
  secretFieldPattern,
  SecretText,
  type Integration,
  type TenantId,
} from '@cruvero/core';
import type { CredentialProvider } from '@cruvero/ports';

/** `tenant/integration` → field → name of a variable. */
export type EnvironmentNames = ReadonlyMap<string, ReadonlyMap<string, string>>;

const item = /^([^/.=]+)\/([^/.=]+)\.([^/.=]+)=([A-Za-z_][A-Za-z0-9_]{0,127})$/;

/**
 * Reads items such as `acme/github.token=GITHUB_TOKEN`. They are spelt out, since names put together out of tenant and
 * integration could be read in two ways (`a_b` and `c`, or `a` and `b_c`), and one tenant would get the other's secret.
 */
export function readEnvironmentNames(
  items: readonly string[],
): EnvironmentNames | { readonly problem: string } {
  const names = new Map<string, Map<string, string>>();
  for (const [at, text] of items.entries()) {
    const [, tenant, integration, field = '', variable = ''] = item.exec(text) ?? [];
    const isWell = readTenantId(tenant) && readIntegration(integration) && secretFieldPattern.test(field);
    if (!isWell)
      return { problem: `has a bad item ${at + 1}: it must be like acme/github.token=GITHUB_TOKEN` };
    const key = `${tenant}/${integration}`;
    const fields = names.get(key) ?? new Map<string, string>();
    names.set(key, fields.set(field, variable));
  }
  return names;
}

/** Read at each question, so that tests and embedders may change what is there. */
export function environmentSecrets(
  names: EnvironmentNames,
  env: Readonly<Record<string, string | undefined>>,
): CredentialProvider {
  return {
    name: 'environment',
    getCredentials: async (tenantId: TenantId, integration: Integration) => {
      const fields = new Map<string, SecretText>();
      for (const [field, variable] of names.get(`${tenantId}/${integration}`) ?? []) {
        const text = env[variable];
        if (text !== undefined && text !== '') fields.set(field, new SecretText(text));
      }
      return fields.size === 0 ? undefined : { fields };
    },
    unready: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
}
