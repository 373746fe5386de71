/** The small parts: nonces, settings, and the order of the places. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isProblems, readConfig, type Env } from '@cruvero/chassis';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { newSealKeys, sign, verify } from '@cruvero/contracts';
import { Answering } from './answering.ts';
import { Audit } from './audit.ts';
import { FakeProvider, secret } from './broker.fixture.ts';
import { credentialBrokerConfig } from './config.ts';
import { Issuing } from './issuing.ts';
import { NonceBook } from './nonces.ts';
import { openProviders, providerSettings } from './providers.ts';
import type { Integration, TenantId } from '@cruvero/core';

const key = Buffer.alloc(32, 1).toString('base64');
const read = (env: Env) => readConfig(env, credentialBrokerConfig);

describe('nonces', () => {
  it('count once, within their time, and are forgotten after it', () => {
    const book = new NonceBook(1_000);
    assert.equal(book.judge('a', 'n', 5_000, 5_000), 'fresh');
    assert.equal(book.judge('a', 'n', 5_000, 5_000), 'again');
    assert.equal(book.judge('b', 'n', 5_000, 5_000), 'fresh');
    assert.equal(book.judge('a', 'm', 3_999, 5_000), 'late');
    assert.equal(book.judge('a', 'm', 6_001, 5_000), 'late');
    assert.equal(book.judge('a', 'n', 6_900, 6_900), 'again');
    assert.equal(book.judge('a', 'n', 7_000, 7_000), 'again');
    assert.equal(book.judge('a', 'n', 7_001, 7_001), 'fresh');
  });

  it('from a clock that is as far ahead as may be count once to the very end of their time', () => {
    const book = new NonceBook(1_000);
    assert.equal(book.judge('a', 'n', 6_000, 5_000), 'fresh');
    assert.equal(book.judge('a', 'n', 6_000, 7_000), 'again');
    assert.equal(book.judge('a', 'n', 6_000, 7_001), 'late');
  });

  it('of one asker have a bound that others do not feel', () => {
    const book = new NonceBook(1_000);
    for (let n = 0; n < 20_000; n += 1) book.judge('a', `n${n}`, 0, 0);
    assert.equal(book.judge('a', 'more', 0, 0), 'full');
    assert.equal(book.judge('b', 'more', 0, 0), 'fresh');
  });
});

describe('an asker that asks too much', () => {
  it('is told so', async () => {
    const secretKey = new Uint8Array(32).fill(1);
    const settings = read({ CRUVERO_CREDENTIAL_ASKERS: `gw-1=${key}` });
    assert.ok(!isProblems(settings));
    const telemetry = new MemoryTelemetry();
    const clock = new SimClock();
    const issuing = new Issuing({
      providers: [],
      clock,
      log: telemetry.log,
      leaseMs: 1_000,
      fingerprintKey: secretKey,
      onChange: () => undefined,
    });
    const answering = new Answering(settings, {
      keys: await newSealKeys(),
      issuing,
      nonces: { judge: () => 'full' },
      providers: [],
      audit: { record: () => undefined },
      clock,
      log: telemetry.log,
      metrics: telemetry.metrics,
      tell: async () => undefined,
      newLeaseId: () => 'l',
    });
    const claims = { op: 'key', nonce: 'n'.repeat(24), at_ms: 1 };
    const jws = await sign('cruvero-credential-ask', 'gw-1', secretKey, claims);
    const { jws: answered } = (await answering.answer({ jws })) as { readonly jws: string };
    const answer = await verify('cruvero-credential-answer', 'gw-1', secretKey, answered);
    assert.partialDeepStrictEqual(answer, { outcome: 'refused', why: 'busy' });
  });
});

describe('the broker with more than it can hold', () => {
  it('says so', async () => {
    const clock = new SimClock();
    const vault = new FakeProvider('vault');
    vault.make = () => ({ fields: secret({ token: 't' }) });
    const issuing = new Issuing({
      providers: [vault],
      clock,
      log: new MemoryTelemetry().log,
      leaseMs: 1_000,
      outMax: 10,
      fingerprintKey: new Uint8Array(32),
      onChange: () => undefined,
    });
    for (let n = 0; n < 10; n += 1) await issuing.issue('acme' as TenantId, `s${n}` as Integration);
    assert.partialDeepStrictEqual(await issuing.issue('acme' as TenantId, 'more' as Integration), {
      fault: 'busy',
    });
    assert.equal(issuing.size, 10);
  });

  it('writes audit into the log alone', async () => {
    const telemetry = new MemoryTelemetry();
    const gate = Promise.withResolvers<void>();
    let published = 0;
    const bus = {
      publishStored: async () => {
        published += 1;
        await gate.promise;
        return undefined;
      },
    };
    const audit = new Audit({
      bus,
      clock: new SimClock(),
      log: telemetry.log,
      subjectPrefix: 'x',
      newId: () => 'id',
    });
    const record = { action: 'issued', asker: 'a', tenant_id: 't', integration: 'i' } as const;
    for (let n = 0; n < 1_005; n += 1) audit.record(record);
    assert.equal(published, 1_000);
    assert.equal(telemetry.lines.length, 1_005);
    gate.resolve();
    await audit.settled();
  });
});

describe('settings of the broker', () => {
  it('name askers, and what each may have', () => {
    const config = read({
      CRUVERO_CREDENTIAL_ASKERS: `gw-1=${key}, bridge=${key}`,
      CRUVERO_CREDENTIAL_GRANTS: 'gw-1:*/*,bridge:acme/github,bridge:globex/*',
      CRUVERO_CREDENTIAL_WRITERS: 'registry:*/*',
    });
    assert.ok(!isProblems(config));
    assert.deepEqual([...config.askers.keys()], ['gw-1', 'bridge']);
    assert.deepEqual(config.grants[1], { asker: 'bridge', tenant: 'acme', integration: 'github' });
    assert.equal(config.grants.length, 3);
    assert.deepEqual([config.leaseMs, config.recheckMs], [300_000, 10_000]);
    const none = read({});
    assert.ok(!isProblems(none) && none.askers.size === 0 && none.grants.length === 0);
  });

  it('that are wrong are said without the keys in them', () => {
    for (const env of [
      { CRUVERO_CREDENTIAL_ASKERS: 'gw-1=canary-short' },
      { CRUVERO_CREDENTIAL_ASKERS: `gw-1=${key},gw-1=${key}` },
      { CRUVERO_CREDENTIAL_ASKERS: `../x=${key}` },
      { CRUVERO_CREDENTIAL_ASKERS: 'canary' },
      { CRUVERO_CREDENTIAL_GRANTS: 'gw-1' },
      { CRUVERO_CREDENTIAL_GRANTS: 'gw-1:acme/git*' },
      { CRUVERO_CREDENTIAL_GRANTS: 'gw-1:../x/github' },
      { CRUVERO_CREDENTIAL_WRITERS: '*:*/*' },
    ]) {
      const problems = read(env);
      assert.ok(isProblems(problems), JSON.stringify(env));
      if ('CRUVERO_CREDENTIAL_ASKERS' in env) assert.doesNotMatch(JSON.stringify(problems), /canary|AQEB/);
    }
  });
});

describe('settings of the places for secrets', () => {
  const readers = {
    vaultPath: (text: string, hasDynamic: boolean) =>
      text.includes(hasDynamic ? '{id}/' : '{id}') ? { text } : { problem: 'must hold {id}' },
    environmentNames: (items: readonly string[]) =>
      items.includes('bad') ? { problem: 'is bad' } : { items },
    fileKey: (text: string) => (text === 'good' ? new Uint8Array(32) : undefined),
  };
  const places = (env: Env, file?: string) =>
    readConfig(env, (reader) => providerSettings(reader, readers, file));

  it('are all off but the environment, unless something is said', () => {
    const settings = places({});
    assert.ok(!isProblems(settings));
    assert.deepEqual(
      [settings.vault, settings.file, settings.environment],
      [undefined, undefined, { items: [] }],
    );
    const embedded = places({}, '/data/secrets.enc');
    assert.ok(!isProblems(embedded));
    assert.deepEqual(embedded.file, {
      path: '/data/secrets.enc',
      key: undefined,
      keyFile: '/data/secrets.enc.key',
    });
  });

  it('read Vault in each way to log in', () => {
    const vault = { CRUVERO_MCP_VAULT_ENABLED: 'true', CRUVERO_MCP_VAULT_ADDR: 'https://vault:8200' };
    const token = places({
      ...vault,
      CRUVERO_MCP_VAULT_TOKEN: 't',
      CRUVERO_MCP_VAULT_DYNAMIC: 'db=database/creds/reader',
    });
    assert.ok(!isProblems(token));
    assert.equal(token.vault?.login.kind, 'token');
    assert.deepEqual(token.vault?.dynamic, new Map([['db', 'database/creds/reader']]));
    const role = places({
      ...vault,
      CRUVERO_MCP_VAULT_AUTH: 'approle',
      CRUVERO_MCP_VAULT_ROLE_ID: 'r',
      CRUVERO_MCP_VAULT_SECRET_ID: 's',
      CRUVERO_MCP_VAULT_AUTH_MOUNT: 'teams/approle',
      CRUVERO_MCP_VAULT_AUTH_NAMESPACE: 'admin',
    });
    assert.ok(!isProblems(role) && role.vault?.login.kind === 'approle');
    assert.deepEqual([role.vault.login.mount, role.vault.authNamespace], ['teams/approle', 'admin']);
    const pod = places({ ...vault, CRUVERO_MCP_VAULT_AUTH: 'kubernetes' });
    assert.ok(
      !isProblems(pod) && pod.vault?.login.kind === 'kubernetes' && pod.vault.login.mount === 'kubernetes',
    );
  });

  it('that are wrong or incomplete are said', () => {
    const vault = { CRUVERO_MCP_VAULT_ENABLED: 'true', CRUVERO_MCP_VAULT_TOKEN: 't' };
    for (const env of [
      { CRUVERO_MCP_VAULT_ENABLED: 'true' },
      { ...vault, CRUVERO_MCP_VAULT_PATH: 'kv' },
      {
        ...vault,
        CRUVERO_MCP_VAULT_PATH: 'kv-{id}',
        CRUVERO_MCP_VAULT_DYNAMIC: 'warehouse=database/creds/reader',
      },
      { ...vault, CRUVERO_MCP_VAULT_AUTH: 'approle' },
      { ...vault, CRUVERO_MCP_VAULT_AUTH: 'approle', CRUVERO_MCP_VAULT_SECRET_ID: 's' },
      { ...vault, CRUVERO_MCP_VAULT_AUTH_MOUNT: '../sys' },
      { ...vault, CRUVERO_MCP_VAULT_DYNAMIC: 'db=../sys' },
      { ...vault, CRUVERO_MCP_VAULT_DYNAMIC: 'db' },
      { CRUVERO_CREDENTIAL_FILE_KEY: 'canary' },
      { CRUVERO_CREDENTIAL_ENV: 'bad' },
    ])
      assert.ok(isProblems(places(env)), JSON.stringify(env));
    assert.doesNotMatch(JSON.stringify(places({ CRUVERO_CREDENTIAL_FILE_KEY: 'canary' })), /canary/);
  });

  it('say in which order they are asked', async () => {
    const makers = {
      vault: async () => new FakeProvider('vault'),
      file: (path: string, fileKey: Uint8Array) => new FakeProvider(`file-${path}-${fileKey.length}`),
      fileKeyAt: async () => new Uint8Array(16),
      environment: () => new FakeProvider('environment'),
    };
    const parts = { clock: new SimClock(), random: () => 0.5, log: new MemoryTelemetry().log, env: {} };
    const names = async (env: Env, file?: string) => {
      const settings = places(env, file);
      assert.ok(!isProblems(settings));
      return (await openProviders(settings, makers, parts)).map(({ name }) => name);
    };
    assert.deepEqual(await names({}), ['environment']);
    assert.deepEqual(await names({}, 'f'), ['file-f-16', 'environment']);
    const all = {
      CRUVERO_MCP_VAULT_ENABLED: 'true',
      CRUVERO_MCP_VAULT_TOKEN: 't',
      CRUVERO_CREDENTIAL_FILE_KEY: 'good',
    };
    assert.deepEqual(await names(all, 'f'), ['vault', 'file-f-32', 'environment']);
  });
});
