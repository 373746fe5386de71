/** A Vault that is sealed, on standby, slow, refusing, away, or not one at all: said as such, not hammered, and recovered from. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SecretText, type Integration, type TenantId } from '@cruvero/core';
import { isCredentialFault, type Clock, type CredentialFault, type CredentialProvider } from '@cruvero/ports';
import { settle, SimClock, startVaultServer, type VaultCondition } from '@cruvero/testkit';
import type { VaultAuth } from './provider.ts';
import { Grounds, openTarget, realAddress, realClock } from './vault-rig.fixture.ts';

const acme = 'acme' as TenantId;
const github = 'github' as Integration;
const skip = realAddress !== undefined && 'a real Vault is not to be harmed';

async function own(version: 1 | 2 = 2, namespaces = false, serviceAccounts = new Map<string, string>()) {
  const target = await openTarget({ namespaces, serviceAccounts });
  const server = target.own ?? assert.fail('only against the own Vault');
  return { grounds: new Grounds(target, version, namespaces), server };
}

async function fault(provider: CredentialProvider): Promise<CredentialFault> {
  const read = await provider.getCredentials(acme, github);
  assert.ok(isCredentialFault(read), 'a fault was expected');
  assert.doesNotMatch(JSON.stringify(read), /hvs\.|127\.0\.0\.1/, 'no token, no address');
  return read;
}

async function tokenOf(provider: CredentialProvider): Promise<string | undefined> {
  const read = await provider.getCredentials(acme, github);
  if (isCredentialFault(read)) assert.fail(read.detail);
  return read?.fields.get('token')?.reveal();
}

describe('a Vault that cannot do its work', { skip }, () => {
  const cases: readonly (readonly [VaultCondition, RegExp])[] = [
    ['sealed', /sealed/],
    ['standby', /standby/],
    ['broken', /HTTP 500/],
    ['babbling', /not JSON/],
    ['silent', /did not answer within 200 ms/],
  ];
  for (const [condition, said] of cases) {
    it(`${condition}: says so, and is used again as soon as it can be`, async () => {
      const { grounds, server } = await own();
      await using _grounds = grounds;
      await grounds.store(acme, github, { token: 't-1' });
      await using provider = grounds.provider({ timeoutMs: 200 });
      assert.equal(await tokenOf(provider), 't-1');
      server.condition = condition;
      const read = await fault(provider);
      assert.equal(read.fault, 'away');
      assert.match(read.detail, said);
      assert.ok(read.retryAfterMs > 0);
      assert.match(provider.unready() ?? '', said);
      server.condition = 'active';
      assert.equal(await tokenOf(provider), 't-1');
      assert.equal(provider.unready(), undefined);
    });
  }

  it('over its quota is left alone for as long as it asks', async () => {
    const { grounds, server } = await own();
    await using _grounds = grounds;
    await grounds.store(acme, github, { token: 't-1' });
    const clock = new SimClock();
    await using provider = grounds.provider({}, clock);
    assert.equal(await tokenOf(provider), 't-1');
    server.condition = 'rate_limited';
    assert.deepEqual(await fault(provider), {
      fault: 'busy',
      detail: 'Vault has no room for more requests now',
      retryAfterMs: 2_000,
    });
    const before = server.requests.length;
    for (let n = 0; n < 20; n += 1) assert.equal((await fault(provider)).fault, 'busy');
    assert.equal(server.requests.length, before);
    server.condition = 'active';
    await clock.advance(2_000);
    assert.equal(await tokenOf(provider), 't-1');
  });

  it('for long is asked a few times only, until its pause is over', async () => {
    const { grounds, server } = await own();
    await using _grounds = grounds;
    await grounds.store(acme, github, { token: 't-1' });
    await using provider = grounds.provider();
    assert.equal(await tokenOf(provider), 't-1');
    server.condition = 'sealed';
    const before = server.requests.length;
    for (let n = 0; n < 50; n += 1) await fault(provider);
    assert.ok(server.requests.length - before <= 12, `${server.requests.length - before} requests`);
    assert.match((await fault(provider)).detail, /given a pause/);
  });

  it('that is not there is said without its address', async () => {
    const server = await startVaultServer();
    const target = { address: server.url, token: 'hvs.none', own: undefined, hasNamespaces: false };
    await using grounds = new Grounds({ ...target, [Symbol.asyncDispose]: async () => undefined }, 2, false);
    await server.close();
    await using provider = grounds.provider();
    assert.match((await fault(provider)).detail, /cannot be reached \(ECONNREFUSED\)/);
  });

  it('with more to say than anybody reads is cut off', async () => {
    const { grounds } = await own();
    await using _grounds = grounds;
    const big = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`f${n}`, 'x'.repeat(90_000)]));
    // Past the bound of the test server's bodies, so straight into its state.
    const { mount } = await grounds.placeOf(acme);
    const engine = grounds.target.own?.state.namespaces.get('')?.mounts.get(mount);
    engine?.secrets.set(github, [{ data: big, createdMs: 0 }]);
    await using provider = grounds.provider();
    assert.match((await fault(provider)).detail, /larger than/);
  });
});

describe('a secret in Vault', { skip }, () => {
  it('that is no set of short texts is unfit; numbers and yes or no become text', async () => {
    const { grounds } = await own();
    await using _grounds = grounds;
    const { mount } = await grounds.placeOf(acme);
    const put = (data: object) => grounds.admin('POST', `${mount}/data/${github}`, { data });
    await using provider = grounds.provider();
    await put({
      token: 'one',
      pin: 1234,
      on: true,
      nested: { a: 1 },
      'odd name': 'x',
      long: 'x'.repeat(40_000),
    });
    const read = await provider.getCredentials(acme, github);
    assert.ok(read && !isCredentialFault(read));
    assert.deepEqual(
      [...read.fields].map(([name, text]) => [name, text.reveal()]),
      [
        ['token', 'one'],
        ['pin', '1234'],
        ['on', 'true'],
      ],
    );
    for (const data of [
      { nested: {} },
      {},
      Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`f${n}`, 'x'])),
    ]) {
      await put(data);
      assert.equal((await fault(provider)).fault, 'unfit');
    }
    assert.equal(await provider.writing?.delete(acme, github), true, 'what is unfit can be deleted');
  });

  it('is found in the engine of now, though it was another version a moment ago', async () => {
    const { grounds } = await own(1);
    await using _grounds = grounds;
    await grounds.store(acme, github, { token: 'one' });
    await using provider = grounds.provider();
    assert.equal(await tokenOf(provider), 'one');
    const { mount } = await grounds.placeOf(acme);
    await grounds.admin('DELETE', `sys/mounts/${mount}`);
    await grounds.admin('POST', `sys/mounts/${mount}`, { type: 'kv', options: { version: '2' } });
    await grounds.admin('POST', `${mount}/data/${github}`, { data: { token: 'two' } });
    assert.equal(await provider.getCredentials(acme, github), undefined);
    assert.equal(await tokenOf(provider), 'two');
  });

  it('is read by a version that was said, without asking for it', async () => {
    const { grounds, server } = await own(1);
    await using _grounds = grounds;
    await grounds.store(acme, github, { token: 'one' });
    await using provider = grounds.provider({ kvVersion: '1' });
    assert.equal(await tokenOf(provider), 'one');
    assert.equal(server.requests.filter((line) => line.includes('internal')).length, 0);
  });

  it('of an engine that is not there is not there', async () => {
    const { grounds } = await own();
    await using _grounds = grounds;
    await using provider = grounds.provider();
    assert.equal(await provider.getCredentials(acme, github), undefined);
  });

  it('whose engine gives no lease is as one that was written down', async () => {
    const { grounds } = await own();
    await using _grounds = grounds;
    await grounds.admin('POST', `sys/mounts/${grounds.name}/tenant-acme/plain`, { type: 'kv' });
    await grounds.admin('POST', `${grounds.name}/tenant-acme/plain/reader`, { token: 'plain' });
    await using provider = grounds.provider({ dynamic: new Map([[github, 'plain/reader']]) });
    assert.equal(await tokenOf(provider), 'plain');
  });
});

describe('namespaces', { skip }, () => {
  it('are found out about, also by a broker that may not list them', async () => {
    for (const namespaces of [true, false]) {
      const { grounds, server } = await own(2, namespaces);
      await using _grounds = grounds;
      await grounds.store(acme, github, { token: 't-1' });
      const { name } = grounds;
      await grounds.admin('PUT', `sys/policies/acl/${name}`, {
        policy: `path "${name}/+/kv/*" { capabilities = ["read"] } path "${name}/*" { capabilities = ["read"] }`,
      });
      const made = server.state.newToken({
        namespace: '',
        policies: [name],
        ttlMs: 3_600_000,
        ttlMsMax: 3_600_000,
        renewable: true,
      });
      await using provider = grounds.provider({
        auth: { kind: 'token', token: new SecretText(made.id) },
        namespaces: 'auto',
        kvVersion: '2',
      });
      assert.equal(await tokenOf(provider), 't-1', `namespaces: ${namespaces}`);
      assert.equal(await tokenOf(provider), 't-1');
    }
  });

  it('that cannot be asked about are asked about again', async () => {
    const { grounds, server } = await own(2, true);
    await using _grounds = grounds;
    await grounds.store(acme, github, { token: 't-1' });
    await using provider = grounds.provider({
      dynamic: new Map([['made' as Integration, 'database/creds/x']]),
    });
    server.condition = 'sealed';
    assert.equal((await fault(provider)).fault, 'away');
    assert.ok(isCredentialFault(await provider.getCredentials(acme, 'made' as Integration)));
    const lease = { id: 'x', ttlMs: 1_000, renewable: true };
    assert.ok(isCredentialFault(await provider.leasing?.renew(acme, lease)));
    server.condition = 'active';
    assert.equal(await tokenOf(provider), 't-1');
  });
});

describe('everything that is asked of Vault', { skip }, () => {
  /** A provider that has asked before, and a Vault that fails from now on. */
  async function failing(condition: VaultCondition) {
    const { grounds, server } = await own();
    await grounds.store(acme, github, { token: 't-1' });
    await grounds.admin('POST', `sys/mounts/${grounds.name}/tenant-acme/database`, { type: 'database' });
    const made = new Map([['made' as Integration, 'database/creds/none']]);
    const provider = grounds.provider({ dynamic: made });
    assert.equal(await tokenOf(provider), 't-1');
    server.condition = condition;
    return { grounds, provider, server };
  }

  it('fails as a value', async () => {
    const { grounds, provider } = await failing('sealed');
    await using _grounds = grounds;
    await using _provider = provider;
    const lease = { id: 'x', ttlMs: 1_000, renewable: true };
    const secret = new Map([['token', new SecretText('canary-7f3a')]]);
    const outcomes = [
      await provider.getCredentials(acme, 'made' as Integration),
      await provider.writing?.put(acme, github, secret),
      await provider.writing?.put('globex' as TenantId, github, secret),
      await provider.writing?.delete(acme, github),
      await provider.writing?.delete('globex' as TenantId, github),
      await provider.leasing?.renew(acme, lease),
      await provider.leasing?.revoke(acme, lease),
    ];
    for (const outcome of outcomes) {
      assert.ok(isCredentialFault(outcome) && outcome.fault === 'away');
      assert.doesNotMatch(outcome.detail, /canary/);
    }
  });

  it('is a refusal where Vault refuses', async () => {
    const { grounds, provider } = await failing('active');
    await using _grounds = grounds;
    await using _provider = provider;
    const none = await provider.getCredentials(acme, 'made' as Integration);
    assert.ok(isCredentialFault(none) && /unknown role/.test(none.detail));
    const { mount } = await grounds.placeOf(acme);
    await grounds.admin('DELETE', `sys/mounts/${mount}`);
    const put = await provider.writing?.put(acme, github, new Map([['token', new SecretText('x')]]));
    assert.ok(isCredentialFault(put) && /no handler/.test(put.detail));
  });

  it('may be refused half way, too', async () => {
    const { grounds, server } = await own();
    await using _grounds = grounds;
    await grounds.store(acme, github, { token: 't-1' });
    const { name } = grounds;
    await grounds.admin('PUT', `sys/policies/acl/${name}`, {
      policy: `path "${name}/+/kv/data/*" { capabilities = ["read"] }`,
    });
    const life = { ttlMs: 3_600_000, ttlMsMax: 3_600_000, renewable: false };
    const reader = server.state.newToken({ namespace: '', policies: [name], ...life });
    await using provider = grounds.provider({ auth: { kind: 'token', token: new SecretText(reader.id) } });
    const gone = await provider.writing?.delete(acme, github);
    assert.ok(isCredentialFault(gone) && /policies/.test(gone.detail));
    const lease = { id: 'x', ttlMs: 1_000, renewable: true };
    for (const refused of [
      await provider.leasing?.renew(acme, lease),
      await provider.leasing?.revoke(acme, lease),
    ])
      assert.ok(isCredentialFault(refused) && refused.fault === 'away');
  });
});

describe('the standing with Vault, over time', { skip }, () => {
  const jwt = 'ey.service.account';

  async function cluster(clock: Clock, readJwt: () => Promise<string> = async () => `${jwt}\n`) {
    const target = await openTarget({
      namespaces: false,
      nowMs: () => clock.nowMs(),
      serviceAccounts: new Map([[jwt, 'broker']]),
    });
    const server = target.own ?? assert.fail();
    const grounds = new Grounds(target, 2, false);
    await grounds.store(acme, github, { token: 't-1' });
    await grounds.admin('PUT', 'sys/policies/acl/broker', {
      policy: `path "${grounds.name}/*" { capabilities = ["read"] }`,
    });
    await grounds.admin('POST', 'sys/auth/kubernetes', { type: 'kubernetes' });
    await grounds.admin('POST', 'auth/kubernetes/role/broker', {
      bound_service_account_names: ['broker'],
      token_policies: ['broker'],
      token_ttl: '10m',
      token_max_ttl: '25m',
    });
    const auth: VaultAuth = { kind: 'kubernetes', mount: 'kubernetes', role: 'broker', readJwt };
    const logins = (): number => server.requests.filter((line) => line.endsWith('/login')).length;
    return { grounds, server, auth, logins };
  }

  /** The exchange with the server takes real time. */
  async function until(what: string, is: () => boolean): Promise<void> {
    for (let left = 400; !is(); left -= 1) {
      if (left === 0) assert.fail(`not within its time: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await settle();
  }

  it('is renewed while that helps, and then had by a new login, all without a call that fails', async () => {
    const clock = new SimClock();
    const { grounds, server, auth, logins } = await cluster(clock);
    await using _grounds = grounds;
    await using provider = grounds.provider({ auth }, clock);
    const renewals = (): number => server.requests.filter((line) => line.endsWith('renew-self')).length;
    for (let minute = 0; minute < 60; minute += 6) {
      assert.equal(await tokenOf(provider), 't-1', `minute ${minute}`);
      const before = renewals() + logins();
      await clock.advance(360_000);
      await until('the token is renewed', () => renewals() + logins() > before);
      // A renewal that gave too little is followed by a login.
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    assert.ok(renewals() >= 4 && logins() >= 3, `${renewals()} renewals, ${logins()} logins`);
  });

  it('that Vault took away is had again by a new login, once the token is not new any more', async () => {
    const clock = new SimClock();
    const { grounds, server, auth, logins } = await cluster(clock);
    await using _grounds = grounds;
    await using provider = grounds.provider({ auth }, clock);
    assert.equal(await tokenOf(provider), 't-1');
    const takeAway = (): void => {
      for (const token of server.state.tokens.values())
        if (token.renewable) server.state.tokens.delete(token.id);
    };
    takeAway();
    assert.match((await fault(provider)).detail, /policies/, 'so soon it is no reason to log in again');
    await clock.advance(5_000);
    assert.equal(await tokenOf(provider), 't-1');
    assert.equal(logins(), 2);
  });

  it('is not had where the account is not vouched for, or its token cannot be read', async () => {
    const clock = new SimClock();
    const stranger = await cluster(clock, async () => 'ey.of.somebody');
    await using _stranger = stranger.grounds;
    await using refused = stranger.grounds.provider({ auth: stranger.auth }, clock);
    assert.match((await fault(refused)).detail, /kubernetes login is refused/);
    await using unread = stranger.grounds.provider(
      {
        auth: {
          ...stranger.auth,
          kind: 'kubernetes',
          readJwt: () => Promise.reject(new Error('ENOENT')),
        } as VaultAuth,
      },
      clock,
    );
    assert.match((await fault(unread)).detail, /cannot be read/);
  });

  it('with a login that is away is asked for again, and the old token serves to its end', async () => {
    const clock = new SimClock();
    const { grounds, server, auth, logins } = await cluster(clock);
    await using _grounds = grounds;
    await using provider = grounds.provider({ auth }, clock);
    assert.equal(await tokenOf(provider), 't-1');
    server.condition = 'sealed';
    await clock.advance(360_000);
    await until('it was asked for', () => logins() === 2);
    server.condition = 'active';
    assert.equal(await tokenOf(provider), 't-1');
    await clock.advance(180_000);
    await until('it was asked for again', () => server.requests.some((line) => line.endsWith('renew-self')));
    await clock.advance(600_000);
    assert.equal(await tokenOf(provider), 't-1');
  });

  it('of a given token that ends is said before and after', async () => {
    const clock = new SimClock();
    const { grounds, server } = await cluster(clock);
    await using _grounds = grounds;
    const given = server.state.newToken({
      namespace: '',
      policies: ['broker'],
      ttlMs: 600_000,
      ttlMsMax: 600_000,
      renewable: false,
    });
    await using provider = grounds.provider(
      { auth: { kind: 'token', token: new SecretText(given.id) } },
      clock,
    );
    assert.equal(await tokenOf(provider), 't-1');
    await clock.advance(700_000);
    assert.match((await fault(provider)).detail, /not valid/);
  });

  it('of a given token that is taken away is said, too', async () => {
    const clock = new SimClock();
    const { grounds, server } = await cluster(clock);
    await using _grounds = grounds;
    const life = { ttlMs: 600_000, ttlMsMax: 600_000, renewable: true };
    const given = server.state.newToken({ namespace: '', policies: ['broker'], ...life });
    await using provider = grounds.provider(
      { auth: { kind: 'token', token: new SecretText(given.id) } },
      clock,
    );
    assert.equal(await tokenOf(provider), 't-1');
    server.state.tokens.delete(given.id);
    await clock.advance(5_000);
    assert.match((await fault(provider)).detail, /not valid/);
  });

  it('is asked for once by many', async () => {
    const { grounds, auth, logins } = await cluster(realClock);
    await using _grounds = grounds;
    await using provider = grounds.provider({ auth });
    assert.deepEqual(
      await Promise.all(Array.from({ length: 20 }, () => tokenOf(provider))),
      Array.from({ length: 20 }, () => 't-1'),
    );
    assert.equal(logins(), 1);
  });
});
