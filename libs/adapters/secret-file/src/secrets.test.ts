/** Secrets on this machine: found where they belong, sealed to their names, and unharmed by what goes wrong. */

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SecretText, type Integration, type TenantId } from '@cruvero/core';
import { isCredentialFault } from '@cruvero/ports';
import { credentialProviderContract } from '@cruvero/ports/contracts/credential-provider';
import { environmentSecrets, readEnvironmentNames } from './environment.ts';
import { readFileKey, secretFile, secretFileKey } from './secret-file.ts';

const acme = 'acme' as TenantId;
const globex = 'globex' as TenantId;
const github = 'github' as Integration;
const key = new Uint8Array(32).fill(1);
const secret = (fields: Readonly<Record<string, string>>) =>
  new Map(Object.entries(fields).map(([name, text]) => [name, new SecretText(text)]));

async function folder() {
  const path = await mkdtemp(join(tmpdir(), 'cruvero-secrets-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

credentialProviderContract('the encrypted file', async () => {
  const place = await folder();
  const path = join(place.path, 'deep/secrets.enc');
  const operator = secretFile({ path, key });
  const provider = secretFile({ path, key });
  return {
    provider,
    store: async (tenant, integration, fields) =>
      assert.equal(
        await operator.writing?.put(tenant as TenantId, integration as Integration, secret(fields)),
        undefined,
      ),
    remove: async (tenant, integration) =>
      void (await operator.writing?.delete(tenant as TenantId, integration as Integration)),
    [Symbol.asyncDispose]: async () => {
      await provider[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    },
  };
});

credentialProviderContract('the environment', async () => {
  const env: Record<string, string | undefined> = {};
  const items = ['acme', 'globex', 'acme-2', 'ac'].flatMap((tenant) =>
    ['github', 'github-2', 'megithub'].flatMap((integration) =>
      ['token', 'username', 'pass-word_2'].map(
        (field) =>
          `${tenant}/${integration}.${field}=${`V_${tenant}_${integration}_${field}`.replace(/-/g, '0')}`,
      ),
    ),
  );
  const names = readEnvironmentNames(items);
  assert.ok(!('problem' in names));
  const variable = (tenant: string, integration: string, field: string): string =>
    names.get(`${tenant}/${integration}`)?.get(field) ?? assert.fail(field);
  const set = (
    tenant: string,
    integration: string,
    fields: Readonly<Record<string, string>> | undefined,
  ): void => {
    for (const field of ['token', 'username', 'pass-word_2'])
      env[variable(tenant, integration, field)] = fields?.[field] ?? '';
  };
  return {
    provider: environmentSecrets(names, env),
    store: async (tenant, integration, fields) => set(tenant, integration, fields),
    remove: async (tenant, integration) => set(tenant, integration, undefined),
    [Symbol.asyncDispose]: async () => undefined,
  };
});

describe('names of variables', () => {
  it('that could be read in two ways are refused', () => {
    for (const text of [
      'acme/github=X',
      'acme.github.token=X',
      'acme/github.token',
      'acme/github.token=1X',
      'a/b/c.d=X',
      '*/github.token=X',
      'acme/*.token=X',
      'acme/github.to ken=X',
    ])
      assert.ok('problem' in readEnvironmentNames([text]), text);
    assert.deepEqual(readEnvironmentNames([]), new Map());
  });
});

describe('the encrypted file', () => {
  it('holds no secret in the clear, is for its owner only, and leaves nothing beside it', async () => {
    await using place = await folder();
    const path = join(place.path, 'secrets.enc');
    await using provider = secretFile({ path, key });
    await provider.writing?.put(acme, github, secret({ token: 'canary-7f3a' }));
    const text = await readFile(path, 'utf8');
    for (const form of ['canary-7f3a', Buffer.from('canary-7f3a').toString('base64').slice(0, 12)])
      assert.ok(!text.includes(form));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(place.path), ['secrets.enc']);
  });

  it('opens no secret with another key, or under the name of another tenant', async () => {
    await using place = await folder();
    const path = join(place.path, 'secrets.enc');
    const provider = secretFile({ path, key });
    await provider.writing?.put(acme, github, secret({ token: 'canary-7f3a' }));
    const stranger = await secretFile({ path, key: new Uint8Array(32).fill(2) }).getCredentials(acme, github);
    assert.ok(isCredentialFault(stranger) && stranger.fault === 'unfit');
    await writeFile(path, (await readFile(path, 'utf8')).replace('acme/', 'globex/'));
    const moved = await provider.getCredentials(globex, github);
    assert.ok(isCredentialFault(moved) && moved.fault === 'unfit');
  });

  it('takes many changes at once, one after the other', async () => {
    await using place = await folder();
    const provider = secretFile({ path: join(place.path, 'secrets.enc'), key });
    const names = Array.from({ length: 20 }, (_, n) => `s${n}` as Integration);
    await Promise.all(names.map(async (name) => provider.writing?.put(acme, name, secret({ token: name }))));
    for (const name of names) {
      const read = await provider.getCredentials(acme, name);
      assert.ok(read && !isCredentialFault(read));
      assert.equal(read.fields.get('token')?.reveal(), name);
    }
  });

  it('that cannot be read or written, or is something else, is a fault and stays as it is', async () => {
    await using place = await folder();
    const path = join(place.path, 'secrets.enc');
    const provider = secretFile({ path, key });
    for (const text of ['{', '{"format":"other"}', '[]', 'x'.repeat((16 << 20) + 1)]) {
      await writeFile(path, text);
      const read = await provider.getCredentials(acme, github);
      assert.ok(isCredentialFault(read) && read.fault === 'away');
      assert.ok(isCredentialFault(await provider.writing?.put(acme, github, secret({ token: 't' }))));
      assert.ok(isCredentialFault(await provider.writing?.delete(acme, github)));
      assert.equal((await stat(path)).size, text.length);
      assert.equal(provider.unready(), read.detail);
    }
    await rm(path);
    assert.equal(await provider.getCredentials(acme, github), undefined);
    await mkdir(join(place.path, 'is-a-folder'));
    const blocked = secretFile({ path: join(place.path, 'secrets.enc/below/secrets.enc'), key });
    await writeFile(path, '');
    assert.ok(isCredentialFault(await blocked.getCredentials(acme, github)));
    const folderInItsPlace = secretFile({ path: join(place.path, 'is-a-folder'), key });
    assert.ok(isCredentialFault(await folderInItsPlace.getCredentials(acme, github)));
    await rm(path);
    const held = secretFile({ path: '/proc/cruvero-secrets.enc', key });
    assert.ok(isCredentialFault(await held.writing?.put(acme, github, secret({ token: 't' }))));
  });

  it('has room for so many and no more', async () => {
    await using place = await folder();
    const path = join(place.path, 'secrets.enc');
    const secrets = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`acme/s${n}`, 'x']));
    await writeFile(path, JSON.stringify({ format: 'cruvero-secrets', version: 1, secrets }));
    const provider = secretFile({ path, key });
    const refused = await provider.writing?.put(acme, github, secret({ token: 't' }));
    assert.ok(isCredentialFault(refused) && refused.fault === 'busy');
    assert.equal(await provider.writing?.put(acme, 's1' as Integration, secret({ token: 't' })), undefined);
  });
});

describe('the encrypted file that is full', () => {
  it('takes nothing more, and still serves what it has', async () => {
    await using place = await folder();
    const path = join(place.path, 'secrets.enc');
    const provider = secretFile({ path, key });
    await provider.writing?.put(globex, github, secret({ token: 't' }));
    const file = JSON.parse(await readFile(path, 'utf8')) as { readonly secrets: object };
    const secrets = { ...file.secrets, 'acme/other': 'x'.repeat((16 << 20) - 10_000) };
    await writeFile(path, JSON.stringify({ ...file, secrets }));
    const large = secret({ token: 'x'.repeat(32_768) });
    const refused = await provider.writing?.put(acme, github, large);
    assert.ok(isCredentialFault(refused) && refused.fault === 'busy');
    const read = await provider.getCredentials(globex, github);
    assert.ok(read && !isCredentialFault(read));
    assert.equal(await provider.writing?.delete(acme, 'other' as Integration), true);
    assert.equal(await provider.writing?.put(acme, github, large), undefined);
  });
});

describe('the key of the file', () => {
  it('is the same for all that make it at the same time', async () => {
    for (let n = 0; n < 20; n += 1) {
      await using place = await folder();
      const path = join(place.path, 'secrets.key');
      const keys = await Promise.all(Array.from({ length: 4 }, () => secretFileKey(path)));
      assert.equal(new Set(keys.map((one) => Buffer.from(one).toString('hex'))).size, 1);
      assert.deepEqual(await readdir(place.path), ['secrets.key']);
    }
  });

  it('is made once, and is the same afterwards', async () => {
    await using place = await folder();
    const path = join(place.path, 'keys/secrets.key');
    const [one, two] = [await secretFileKey(path), await secretFileKey(path)];
    assert.equal(one.length, 32);
    assert.deepEqual(one, two);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  it('that is none is said', async () => {
    await using place = await folder();
    const path = join(place.path, 'secrets.key');
    await writeFile(path, 'short');
    await assert.rejects(secretFileKey(path), /32 bytes/);
    await assert.rejects(secretFileKey(place.path));
    await assert.rejects(secretFileKey('/proc/cruvero-secrets.key'));
    await chmod(path, 0o600);
    assert.equal(readFileKey(Buffer.alloc(31).toString('base64')), undefined);
    assert.deepEqual(readFileKey(`${Buffer.from(key).toString('base64url')}\n`), key);
  });
});
