/** What stands in files is read when it is needed, and a file that is missing is said. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SecretText, type Integration, type TenantId } from '@cruvero/core';
import { isCredentialFault, type CredentialProvider } from '@cruvero/ports';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { openVaultByFiles, type VaultLogin } from './from-files.ts';
import { Grounds, openTarget, realAddress } from './vault-rig.fixture.ts';

const acme = 'acme' as TenantId;
const github = 'github' as Integration;

async function grounds(jwt: string): Promise<Grounds> {
  const target = await openTarget({ namespaces: false, serviceAccounts: new Map([[jwt, 'broker']]) });
  const made = new Grounds(target, 2, false);
  await made.store(acme, github, { token: 't-1' });
  await made.admin('PUT', 'sys/policies/acl/broker', {
    policy: `path "${made.name}/*" { capabilities = ["read"] }`,
  });
  await made.admin('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
  await made.admin('POST', 'auth/kubernetes/role/broker', {
    bound_service_account_names: ['broker'],
    token_policies: ['broker'],
    token_ttl: '10m',
  });
  return made;
}

const open = (made: Grounds, login: VaultLogin, caFile?: string): Promise<CredentialProvider> => {
  const parts = { clock: new SimClock(), random: () => 0.5, log: new MemoryTelemetry().log };
  return openVaultByFiles({ ...made.settings, login, caFile }, parts);
};

describe('Vault by files', { skip: realAddress !== undefined && 'it needs service accounts' }, () => {
  it('reads the token of the account at the login, not before', async () => {
    await using made = await grounds('ey.of.the.broker');
    const folder = await mkdtemp(join(tmpdir(), 'cruvero-vault-'));
    const jwtFile = join(folder, 'token');
    await using provider = await open(made, {
      kind: 'kubernetes',
      mount: 'kubernetes',
      role: 'broker',
      jwtFile,
    });
    const early = await provider.getCredentials(acme, github);
    assert.ok(isCredentialFault(early));
    assert.match(early.detail, /cannot be read/);
    await writeFile(jwtFile, 'ey.of.the.broker\n');
    await using later = await open(made, {
      kind: 'kubernetes',
      mount: 'kubernetes',
      role: 'broker',
      jwtFile,
    });
    const read = await later.getCredentials(acme, github);
    assert.ok(read && !isCredentialFault(read));
    assert.equal(read.fields.get('token')?.reveal(), 't-1');
    await rm(folder, { recursive: true });
  });

  it('does not open with a file of authorities that is not there, and says which', async () => {
    await using made = await grounds('ey.of.the.broker');
    const login = { kind: 'token', token: new SecretText(made.target.token) } as const;
    await using provider = await open(made, login);
    assert.ok(!isCredentialFault(await provider.getCredentials(acme, github)));
    await assert.rejects(open(made, login, '/nowhere/ca.pem'), /\/nowhere\/ca\.pem/);
  });
});
