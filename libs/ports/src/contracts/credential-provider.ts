/** The contract of every CredentialProvider: each tenant has its own, names are only names, and nothing is shown. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';

import { SecretText, type Integration, type SecretFields, type TenantId } from '@cruvero/core';

import { isCredentialFault, type Credential, type CredentialProvider } from '../credentials.ts';

export interface CredentialProviderRig {
  readonly provider: CredentialProvider;
  /** Writes it down the way an operator would. */
  store(tenantId: string, integration: string, fields: Readonly<Record<string, string>>): Promise<void>;
  remove(tenantId: string, integration: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const acme = 'acme' as TenantId;
const globex = 'globex' as TenantId;
const github = 'github' as Integration;

const plain = (fields: SecretFields): Readonly<Record<string, string>> =>
  Object.fromEntries([...fields].map(([name, text]) => [name, text.reveal()]));

const secret = (fields: Readonly<Record<string, string>>): SecretFields =>
  new Map(Object.entries(fields).map(([name, text]) => [name, new SecretText(text)]));

function found(read: Awaited<ReturnType<CredentialProvider['getCredentials']>>): Credential {
  if (read === undefined || isCredentialFault(read)) assert.fail(`not found: ${JSON.stringify(read)}`);
  return read;
}

/** Runs the whole suite; `open` gives each test a provider that knows no secret of these tenants. */
export function credentialProviderContract(name: string, open: () => Promise<CredentialProviderRig>): void {
  describe(`${name} keeps the CredentialProvider contract`, () => {
    it('gives the fields of a secret, and undefined where there is none', async () => {
      await using rig = await open();
      assert.equal(await rig.provider.getCredentials(acme, github), undefined);
      const fields = { token: 't-1', username: 'ann', 'pass-word_2': 'zażółć 🐙 "quoted" {{x}} & \\ /' };
      await rig.store(acme, github, fields);
      const credential = found(await rig.provider.getCredentials(acme, github));
      assert.deepEqual(plain(credential.fields), fields);
      assert.equal(credential.lease, undefined);
      assert.equal(rig.provider.unready(), undefined);
      assert.match(rig.provider.name, /^[a-z][a-z0-9-]*$/);
    });

    it('keeps tenants and integrations apart, also where their names begin alike', async () => {
      await using rig = await open();
      const names = [
        [acme, 'github'],
        [globex, 'github'],
        [acme, 'github-2'],
        ['acme-2', 'github'],
        ['ac', 'megithub'],
      ] as const;
      for (const [tenant, integration] of names)
        await rig.store(tenant, integration, { token: `${tenant}/${integration}` });
      for (const [tenant, integration] of names) {
        const read = await rig.provider.getCredentials(tenant as TenantId, integration as Integration);
        assert.deepEqual(plain(found(read).fields), { token: `${tenant}/${integration}` });
      }
      assert.equal(await rig.provider.getCredentials(globex, 'github-2' as Integration), undefined);
    });

    it('sees what was written anew, and what was taken away', async () => {
      await using rig = await open();
      await rig.store(acme, github, { token: 'one' });
      assert.deepEqual(plain(found(await rig.provider.getCredentials(acme, github)).fields), {
        token: 'one',
      });
      await rig.store(acme, github, { token: 'two' });
      assert.deepEqual(plain(found(await rig.provider.getCredentials(acme, github)).fields), {
        token: 'two',
      });
      await rig.remove(acme, github);
      assert.equal(await rig.provider.getCredentials(acme, github), undefined);
    });

    it('finds nothing under a name that is more than a name', async () => {
      await using rig = await open();
      await rig.store(acme, github, { token: 'of acme' });
      await rig.store(globex, github, { token: 'of globex' });
      const hostile = [
        '*',
        'git*',
        '../globex/github',
        '..',
        '',
        'github/',
        'github?version=1',
        'github#',
        '{{x}}',
      ];
      for (const text of hostile) {
        const byIntegration = await rig.provider.getCredentials(globex, text as Integration);
        const byTenant = await rig.provider.getCredentials(text as TenantId, github);
        for (const read of [byIntegration, byTenant])
          assert.ok(read === undefined || isCredentialFault(read), `${text} must name nothing`);
      }
    });

    it('shows nothing of a secret when it is printed', async () => {
      await using rig = await open();
      await rig.store(acme, github, { token: 'canary-7f3a' });
      const credential = found(await rig.provider.getCredentials(acme, github));
      for (const shown of [inspect(rig.provider, { depth: 9 }), inspect(credential, { depth: 9 })])
        assert.doesNotMatch(shown, /canary/);
      assert.doesNotMatch(JSON.stringify([...credential.fields]), /canary/);
    });

    it('where it is written to: has what was put, in place of what was there, and not what was deleted', async () => {
      await using rig = await open();
      const { writing } = rig.provider;
      if (!writing) return;
      assert.equal(await writing.delete(acme, github), false);
      assert.equal(await writing.put(acme, github, secret({ token: 'one', more: 'x' })), undefined);
      assert.equal(await writing.put(globex, github, secret({ token: 'other' })), undefined);
      assert.equal(await writing.put(acme, github, secret({ token: 'two' })), undefined);
      assert.deepEqual(plain(found(await rig.provider.getCredentials(acme, github)).fields), {
        token: 'two',
      });
      assert.equal(await writing.delete(acme, github), true);
      assert.equal(await rig.provider.getCredentials(acme, github), undefined);
      assert.deepEqual(plain(found(await rig.provider.getCredentials(globex, github)).fields), {
        token: 'other',
      });
      for (const text of ['*', '../x', '']) {
        const put = await writing.put(acme, text as Integration, secret({ token: 't' }));
        assert.ok(isCredentialFault(put), text);
        const gone = await writing.delete(acme, text as Integration);
        assert.ok(gone === false || isCredentialFault(gone), text);
      }
    });
  });
}
