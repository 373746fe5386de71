/** Makes sure that there is a default profile and a way in: keys from the configuration, or two new ones, said once. */

import { defaultProfile, defaultProfileName } from '@cruvero/core';
import type { ApiKey, Scope } from '@cruvero/core';
import type { ServerStore } from '@cruvero/ports';
import { hashOfKey, newApiKey, newKeyId } from './api-keys.ts';
import type { SecretBytes } from './api-keys.ts';
import { recordChange } from './changes.ts';
import type { ChangeParts } from './changes.ts';
import type { RegistryConfig } from './config.ts';

/** In plain text, for the person at the terminal; they cannot be had again. */
export interface FirstKeys {
  readonly agentKey?: string;
  readonly adminKey?: string;
}

const configuredAgent = 'configured-agent';
const configuredAdmin = 'configured-admin';

export async function firstStart(
  config: RegistryConfig,
  store: ServerStore,
  parts: ChangeParts,
  bytes: SecretBytes,
): Promise<FirstKeys | undefined> {
  const stored = await store.apiKeys();
  const keyOf = (keyId: string, key: string, principal: string, scopes: readonly Scope[]): ApiKey => ({
    keyId,
    sha256: hashOfKey(key),
    tenantId: config.tenantId,
    principal,
    scopes,
    profile: defaultProfileName,
  });
  const given: ApiKey[] = [];
  if (config.agentKey) given.push(keyOf(configuredAgent, config.agentKey.reveal(), 'agent', ['mcp']));
  if (config.adminKey)
    given.push(keyOf(configuredAdmin, config.adminKey.reveal(), 'admin', ['mcp', 'admin']));
  const first: { agentKey?: string; adminKey?: string } = {};
  const made: ApiKey[] = [];
  if (stored.length === 0 && !config.agentKey) {
    first.agentKey = newApiKey(bytes);
    made.push(keyOf(newKeyId(bytes), first.agentKey, 'agent', ['mcp']));
  }
  if (stored.length === 0 && !config.adminKey) {
    first.adminKey = newApiKey(bytes);
    made.push(keyOf(newKeyId(bytes), first.adminKey, 'admin', ['mcp', 'admin']));
  }
  // Where the same secret is given for both, the later and stronger one counts.
  const byHash = new Map(given.map((key) => [key.sha256, key]));
  const fresh = [...byHash.values()].filter((key) => !stored.some((old) => old.sha256 === key.sha256));
  const hasProfile = (await store.profiles()).some((profile) => profile.name === defaultProfileName);
  if (made.length === 0 && fresh.length === 0 && hasProfile) return undefined;
  const told = await store.transaction(async (tx) => {
    // Of two processes that start at the same time on an empty store, one makes the keys.
    const mine = made.length > 0 && (await tx.firstSight('registry/first-keys'));
    for (const key of mine ? [...fresh, ...made] : fresh) await tx.putApiKey(key);
    if (!hasProfile) await tx.putProfile(defaultProfile);
    await recordChange(tx, parts, { action: 'api_keys.changed', tenantId: config.tenantId });
    return mine;
  });
  return told ? first : undefined;
}
