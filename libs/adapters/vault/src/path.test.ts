/** Where a tenant's secrets are, and how one gets there. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SecretText, type Integration, type TenantId } from '@cruvero/core';
import { isCredentialFault } from '@cruvero/ports';
import { MemoryTelemetry, startVaultServer } from '@cruvero/testkit';
import { placeOf, readVaultPath } from './path.ts';
import { openVault } from './provider.ts';
import { realClock } from './vault-rig.fixture.ts';

describe('the path of secrets', () => {
  it('is a namespace and a mount, or one path', () => {
    const path = readVaultPath('admin/tenant-{id}/kv');
    assert.ok('segments' in path);
    assert.deepEqual(placeOf(path, 'acme', true), { namespace: 'admin/tenant-acme', mount: 'kv' });
    assert.deepEqual(placeOf(path, 'acme', false), { namespace: '', mount: 'admin/tenant-acme/kv' });
    const short = readVaultPath('/secret-{id}/');
    assert.ok('segments' in short);
    assert.deepEqual(placeOf(short, 'acme', true), { namespace: '', mount: 'secret-acme' });
  });

  it('without the tenant, or with more than names in it, is a problem', () => {
    for (const text of [
      'admin/kv',
      '',
      '../{id}/kv',
      'a//{id}',
      '{id}/*',
      '{id}{id}',
      'x/'.repeat(9) + '{id}',
      '{id}?a',
    ])
      assert.ok('problem' in readVaultPath(text), text);
    // What is made beside the mount would be every tenant's.
    for (const text of ['kv-{id}', 'admin/kv-{id}']) assert.ok('problem' in readVaultPath(text, true), text);
    assert.ok('segments' in readVaultPath('tenant-{id}/kv', true));
  });

  it('leads over TLS where the address says so', async () => {
    const path = readVaultPath('t-{id}/kv');
    assert.ok('segments' in path);
    const server = await startVaultServer();
    await using _server = server;
    await using provider = openVault(
      {
        address: server.url.replace('http:', 'https:'),
        auth: { kind: 'token', token: new SecretText('x') },
        authNamespace: '',
        path,
        namespaces: 'no',
        kvVersion: '2',
        dynamic: new Map(),
        timeoutMs: 2_000,
        ca: '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n',
      },
      {
        clock: realClock,
        random: () => 0.5,
        log: new MemoryTelemetry().log,
      },
    );
    const read = await provider.getCredentials('acme' as TenantId, 'github' as Integration);
    assert.ok(isCredentialFault(read));
    assert.match(read.detail, /cannot be reached/);
  });
});
