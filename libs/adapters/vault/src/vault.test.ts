/**
 * The provider against a Vault: the testkit's own, or a real Vault or OpenBao (`npm run test:vault -- --addr … --token …`).
 * What a real one cannot be asked for without harm, or without a cluster, is told of the own one only.
 */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as rest } from 'node:timers/promises';
import { SecretText, type Integration, type TenantId } from '@cruvero/core';
import { isCredentialFault, type Credential, type CredentialFault } from '@cruvero/ports';
import { credentialProviderContract } from '@cruvero/ports/contracts/credential-provider';
import type { VaultAuth } from './provider.ts';
import { contractRig, Grounds, openTarget, realAddress } from './vault-rig.fixture.ts';

const acme = 'acme' as TenantId;
const github = 'github' as Integration;

export function tokenOf(read: Credential | CredentialFault | undefined): string | undefined {
  if (isCredentialFault(read)) assert.fail(`${read.fault}: ${read.detail}`);
  return read?.fields.get('token')?.reveal();
}

credentialProviderContract('Vault with version 2, by path', async () =>
  contractRig(await openTarget({ namespaces: false }), 2, false),
);
credentialProviderContract('Vault with version 1, by path', async () =>
  contractRig(await openTarget({ namespaces: false }), 1, false),
);

const namespaced = await openTarget();
if (namespaced.hasNamespaces) {
  credentialProviderContract('Vault with version 2, in namespaces', async () =>
    contractRig(await openTarget(), 2, true),
  );
} else {
  it('Vault in namespaces', { skip: 'this Vault has no namespaces' }, () => undefined);
}
await namespaced[Symbol.asyncDispose]();

interface Role {
  readonly auth: VaultAuth;
  /** Takes every token back that was made by logging in. */
  revokeTokens(): Promise<void>;
}

async function appRole(grounds: Grounds, ttl: string, capabilities: string): Promise<Role> {
  const { name } = grounds;
  const data = `path "${name}/+/kv/*" { capabilities = [${capabilities}] }`;
  await grounds.admin('PUT', `sys/policies/acl/${name}`, { policy: data });
  grounds.onEnd(() => grounds.admin('DELETE', `sys/policies/acl/${name}`));
  await grounds.admin('POST', `sys/auth/${name}`, { type: 'approle' });
  grounds.onEnd(() => grounds.admin('DELETE', `sys/auth/${name}`));
  const role = `auth/${name}/role/broker`;
  await grounds.admin('POST', role, { token_policies: name, token_ttl: ttl, token_max_ttl: '1h' });
  const dataOf = async (method: string, path: string): Promise<Readonly<Record<string, unknown>>> =>
    (await grounds.admin(method, path)).body['data'] as Readonly<Record<string, unknown>>;
  const roleId = String((await dataOf('GET', `${role}/role-id`))['role_id']);
  const secretId = String((await dataOf('POST', `${role}/secret-id`))['secret_id']);
  return {
    auth: { kind: 'approle', mount: name, roleId, secretId: new SecretText(secretId) },
    revokeTokens: async () =>
      void (await grounds.admin('PUT', `sys/leases/revoke-prefix/auth/${name}/login`)),
  };
}

describe('the standing of the broker with Vault', () => {
  it('is had by AppRole, kept by renewal beyond the life of its first token, and given back at the end', async () => {
    await using grounds = new Grounds(await openTarget({ namespaces: false }), 2, false);
    await grounds.store(acme, github, { token: 't-1' });
    const { auth } = await appRole(grounds, '2s', '"read"');
    const provider = grounds.provider({ auth });
    assert.equal(tokenOf(await provider.getCredentials(acme, github)), 't-1');
    await rest(3_000);
    assert.equal(tokenOf(await provider.getCredentials(acme, github)), 't-1');
    await provider[Symbol.asyncDispose]();
    if (grounds.target.own)
      assert.equal(grounds.target.own.state.tokens.size, 1, 'only the root token is left');
  });

  it('that Vault refuses by its policies is said as such, and is no word on the secret', async () => {
    await using grounds = new Grounds(await openTarget({ namespaces: false }), 2, false);
    await grounds.store(acme, github, { token: 't-1' });
    const { auth } = await appRole(grounds, '1h', '"list"');
    await using provider = grounds.provider({ auth, kvVersion: '2' });
    const read = await provider.getCredentials(acme, github);
    assert.ok(isCredentialFault(read) && read.fault === 'away');
    assert.match(read.detail, /policies/);
  });

  it('with a wrong secret is not had, and what is wrong holds no part of it', async () => {
    await using grounds = new Grounds(await openTarget({ namespaces: false }), 2, false);
    const { auth } = await appRole(grounds, '1h', '"read"');
    assert.ok(auth.kind === 'approle');
    const wrong = { ...auth, secretId: new SecretText('canary-7f3a') };
    await using provider = grounds.provider({ auth: wrong });
    const read = await provider.getCredentials(acme, github);
    assert.ok(isCredentialFault(read) && read.fault === 'away');
    assert.doesNotMatch(JSON.stringify(read), /canary/);
  });

  it('is had by a token, unless that is not valid', async () => {
    await using grounds = new Grounds(await openTarget({ namespaces: false }), 2, false);
    await grounds.store(acme, github, { token: 't-1' });
    await using provider = grounds.provider();
    assert.equal(tokenOf(await provider.getCredentials(acme, github)), 't-1');
    await using stranger = grounds.provider({
      auth: { kind: 'token', token: new SecretText('canary-7f3a') },
    });
    const read = await stranger.getCredentials(acme, github);
    assert.ok(isCredentialFault(read) && read.fault === 'away');
    assert.match(read.detail, /not valid/);
    assert.doesNotMatch(JSON.stringify(read), /canary/);
  });
});

describe(
  'Vault with a database engine',
  { skip: realAddress !== undefined && 'a real Vault would need a database' },
  () => {
    const dynamic = new Map([[github, 'database/creds/reader']]);
    const open = async (): Promise<Grounds> => {
      const grounds = new Grounds(await openTarget({ namespaces: false }), 2, false);
      const mount = `${grounds.name}/tenant-acme/database`;
      await grounds.admin('POST', `sys/mounts/${mount}`, { type: 'database' });
      await grounds.admin('POST', `${mount}/roles/reader`, { default_ttl: '1h', max_ttl: '2h' });
      return grounds;
    };

    it('makes an account for whoever asks, renews its lease, and takes it back', async () => {
      await using grounds = await open();
      await using provider = grounds.provider({ dynamic });
      const [one, two] = [
        await provider.getCredentials(acme, github),
        await provider.getCredentials(acme, github),
      ];
      assert.ok(one && two && !isCredentialFault(one) && !isCredentialFault(two) && one.lease && two.lease);
      assert.notEqual(one.fields.get('username')?.reveal(), two.fields.get('username')?.reveal());
      assert.deepEqual([one.lease.ttlMs, one.lease.renewable], [3_600_000, true]);
      const renewed = await provider.leasing?.renew(acme, one.lease);
      assert.ok(renewed && !isCredentialFault(renewed) && renewed.ttlMs === 3_600_000);
      assert.equal(await provider.leasing?.revoke(acme, one.lease), undefined);
      assert.equal(await provider.leasing?.revoke(acme, one.lease), undefined, 'what is revoked stays so');
      const ended = await provider.leasing?.renew(acme, one.lease);
      assert.ok(isCredentialFault(ended) && ended.fault === 'not_found');
      assert.equal(grounds.target.own?.state.leases.size, 1);
    });

    it('has none for a tenant without the engine, and is not written to', async () => {
      await using grounds = await open();
      await using provider = grounds.provider({ dynamic });
      assert.equal(await provider.getCredentials('globex' as TenantId, github), undefined);
      const put = await provider.writing?.put(acme, github, new Map([['token', new SecretText('x')]]));
      assert.ok(isCredentialFault(put) && put.fault === 'unfit');
      const gone = await provider.writing?.delete(acme, github);
      assert.ok(isCredentialFault(gone) && gone.fault === 'unfit');
    });
  },
);
