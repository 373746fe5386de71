/** A Vault for stories: AppRole login, one tenant's engine that may only be read, and a switch to be away. */

import assert from 'node:assert/strict';
import { startVaultServer, type VaultCondition, type VaultServer } from '@cruvero/testkit';

const place = 'admin/tenant-default';

export interface StoryVault extends AsyncDisposable {
  /** For the broker. */
  readonly env: Readonly<Record<string, string>>;
  store(integration: string, fields: Readonly<Record<string, string>>): Promise<void>;
  /** How often this secret was read with success. */
  reads(integration: string): number;
  logins(): number;
  become(condition: VaultCondition | 'away'): Promise<void>;
  /** What the broker shows to Vault, and what an operator does: secret id and every token. */
  ownSecrets(): readonly string[];
}

export async function startStoryVault(): Promise<StoryVault> {
  let server = await startVaultServer();
  let isAway = false;
  const { port, state } = server;
  const earlier: string[] = [];
  const ask = (method: string, path: string, body?: object, namespace = '') =>
    askAsOperator(server, method, path, body, namespace);
  await ask('POST', 'sys/namespaces/admin');
  await ask('POST', 'sys/namespaces/tenant-default', undefined, 'admin');
  await ask('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '2' } }, place);
  await ask('PUT', 'sys/policies/acl/broker', {
    policy: `path "${place}/kv/data/*" { capabilities = ["read"] }`,
  });
  await ask('POST', 'sys/auth/approle', { type: 'approle' });
  const role = 'auth/approle/role/broker';
  await ask('POST', role, { token_policies: ['broker'], token_ttl: '1h' });
  const { role_id: roleId = '' } = await ask('GET', `${role}/role-id`);
  const { secret_id: secretId = '' } = await ask('POST', `${role}/secret-id`);
  const count = (line: string): number =>
    [...earlier, ...server.requests].filter((request) => request === line).length;
  return {
    env: {
      CRUVERO_MCP_VAULT_ENABLED: 'true',
      CRUVERO_MCP_VAULT_ADDR: server.url,
      CRUVERO_MCP_VAULT_AUTH: 'approle',
      CRUVERO_MCP_VAULT_ROLE_ID: roleId,
      CRUVERO_MCP_VAULT_SECRET_ID: secretId,
    },
    store: async (integration, fields) =>
      void (await ask('POST', `kv/data/${integration}`, { data: fields }, place)),
    reads: (integration) => count(`GET /v1/kv/data/${integration}`),
    logins: () => count('POST /v1/auth/approle/login'),
    become: async (condition) => {
      if (condition === 'away') {
        isAway = true;
        return server.close();
      }
      if (isAway) {
        earlier.push(...server.requests);
        server = await startVaultServer({ port, state });
        isAway = false;
      }
      server.condition = condition;
    },
    ownSecrets: () => [secretId, ...state.tokens.keys()],
    [Symbol.asyncDispose]: async () => (isAway ? undefined : server.close()),
  };
}

async function askAsOperator(
  { url, rootToken }: VaultServer,
  method: string,
  path: string,
  body: object | undefined,
  namespace: string,
): Promise<Readonly<Record<string, string>>> {
  const answer = await fetch(`${url}/v1/${path}`, {
    method,
    headers: {
      'x-vault-token': rootToken,
      ...(namespace === '' ? {} : { 'x-vault-namespace': namespace }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  const said = (text === '' ? {} : JSON.parse(text)) as { readonly data?: Record<string, string> | null };
  return said.data ?? {};
}
