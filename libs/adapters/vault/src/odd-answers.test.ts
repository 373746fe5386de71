/** Answers that Vault, or what stands before it, may give and that its own server of the tests does not. */

import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { SecretText, type Integration, type TenantId } from '@cruvero/core';
import { isCredentialFault, type Clock, type CredentialFault } from '@cruvero/ports';
import { MemoryTelemetry, serveHttp } from '@cruvero/testkit';
import { Engines } from './engines.ts';
import { besideOf, readVaultPath } from './path.ts';
import { openVault, type VaultAuth, type VaultConfig } from './provider.ts';
import { Grounds, openTarget, realAddress, realClock } from './vault-rig.fixture.ts';

const acme = 'acme' as TenantId;
const github = 'github' as Integration;
const skip = realAddress !== undefined && 'a real Vault has no odd answers';
const path = readVaultPath('admin/tenant-{id}/kv');
if ('problem' in path) throw new Error(path.problem);

type Script = (asked: string, response: ServerResponse) => void;

const say =
  (status: number, body: unknown, headers = {}): Script =>
  (_asked, response) =>
    void response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));

const token: VaultAuth = { kind: 'token', token: new SecretText('t') };
const role: VaultAuth = { kind: 'approle', mount: 'approle', roleId: 'r', secretId: new SecretText('s') };

/** What is asked as `METHOD path`; logging in and looking up are well unless the script says otherwise. */
async function scripted(
  scripts: Readonly<Record<string, Script>>,
  more: Partial<VaultConfig> = {},
  clock: Clock = realClock,
) {
  const usual: Readonly<Record<string, Script>> = {
    'GET auth/token/lookup-self': say(200, { data: { ttl: 0, renewable: false } }),
    'POST auth/approle/login': say(200, {
      auth: { client_token: 'made', lease_duration: 0, renewable: false },
    }),
    'POST auth/token/revoke-self': say(204, ''),
  };
  const host = await serveHttp((request, response) => {
    const asked = `${request.method ?? ''} ${(request.url ?? '').replace('/v1/', '')}`;
    (scripts[asked] ?? usual[asked] ?? say(404, { errors: [] }))(asked, response);
  });
  const config: VaultConfig = {
    address: `${host.origin}/`,
    auth: token,
    authNamespace: 'admin',
    path: path as Exclude<typeof path, { problem: string }>,
    namespaces: 'no',
    kvVersion: '2',
    dynamic: new Map([['made' as Integration, 'database/creds/x']]),
    timeoutMs: 300,
    ...more,
  };
  const provider = openVault(config, { clock, random: () => 0.5, log: new MemoryTelemetry().log });
  return {
    provider,
    [Symbol.asyncDispose]: async () => {
      await provider[Symbol.asyncDispose]();
      await host.close();
    },
  };
}

const secretPath = 'admin/tenant-acme/kv/data/github';
const there = say(200, { data: { data: { token: 't-1' } } });

async function faultOf(
  scripts: Readonly<Record<string, Script>>,
  more: Partial<VaultConfig> = {},
): Promise<CredentialFault> {
  await using rig = await scripted(scripts, more);
  const read = await rig.provider.getCredentials(acme, github);
  assert.ok(isCredentialFault(read), JSON.stringify(read));
  return read;
}

describe('an odd answer of Vault', { skip }, () => {
  it('is said for what it is', async () => {
    const cases: readonly (readonly [Script, CredentialFault['fault'], RegExp])[] = [
      [say(429, {}), 'busy', /no room/],
      [say(472, {}), 'away', /standby/],
      [say(473, {}), 'away', /standby/],
      [say(502, '<html>', { 'content-type': 'text/html' }), 'away', /HTTP 502/],
      [say(400, '<html>'), 'away', /HTTP 400/],
      [say(400, { errors: [7] }), 'away', /HTTP 400/],
      [say(200, '7'), 'away', /not JSON/],
      [say(200, { data: 'text' }), 'unfit', /short texts/],
      [
        (_asked, response) =>
          void response
            .writeHead(200, { 'content-length': '100' })
            .write('{"data"', () => response.destroy()),
        'away',
        /middle of its answer/,
      ],
      [(_asked, response) => void response.destroy(), 'away', /cannot be reached \(ECONNRESET\)/],
    ];
    for (const [script, fault, said] of cases) {
      const read = await faultOf({ [`GET ${secretPath}`]: script });
      assert.equal(read.fault, fault);
      assert.match(read.detail, said);
    }
    const pause = await faultOf({ [`GET ${secretPath}`]: say(429, {}) });
    assert.equal(pause.retryAfterMs, 1_000);
  });

  it('to a login is no login', async () => {
    for (const auth of [{}, { client_token: '' }, { client_token: 7 }]) {
      const read = await faultOf({ 'POST auth/approle/login': say(200, { auth }) }, { auth: role });
      assert.match(read.detail, /approle login is refused \(HTTP 200\)/);
    }
    const sealed = await faultOf(
      { 'POST auth/approle/login': say(503, { errors: ['Vault is sealed'] }) },
      { auth: role },
    );
    assert.match(sealed.detail, /sealed/);
  });

  it('that names no end of a token is a token without an end', async () => {
    for (const auth of [token, role]) {
      await using rig = await scripted({ [`GET ${secretPath}`]: there }, { auth });
      const read = await rig.provider.getCredentials(acme, github);
      assert.ok(read && !isCredentialFault(read));
    }
  });

  it('in the middle of a deletion leaves it undone, and says so', async () => {
    const deletion = 'DELETE admin/tenant-acme/kv/metadata/github';
    for (const script of [say(503, {}), say(403, {})]) {
      await using rig = await scripted({ [`GET ${secretPath}`]: there, [deletion]: script });
      const gone = await rig.provider.writing?.delete(acme, github);
      assert.ok(isCredentialFault(gone) && gone.fault === 'away');
    }
  });

  it('to a lease that says nothing is the end of it, and a secret without one is one that stays', async () => {
    await using rig = await scripted({
      'POST sys/leases/renew': say(200, {}),
      'GET admin/tenant-acme/database/creds/x': say(200, { data: { token: 't' }, lease_id: 'l' }),
    });
    const lease = { id: 'l', ttlMs: 1_000, renewable: true };
    assert.partialDeepStrictEqual(await rig.provider.leasing?.renew(acme, lease), { fault: 'not_found' });
    const made = await rig.provider.getCredentials(acme, 'made' as Integration);
    assert.ok(made && !isCredentialFault(made) && made.lease === undefined);
  });
});

describe('a Vault of many tenants', { skip }, () => {
  const creds = 'GET admin/tenant-acme/database/creds/x';
  const made = 'made' as Integration;

  it('is asked on for others where the engine of one fails', async () => {
    await using rig = await scripted({
      [creds]: say(500, { errors: ['dial tcp: connection refused'] }),
      'GET admin/tenant-globex/kv/data/github': there,
    });
    for (let n = 0; n < 6; n += 1) {
      const read = await rig.provider.getCredentials(acme, made);
      assert.ok(isCredentialFault(read) && /HTTP 500/.test(read.detail));
    }
    assert.ok(!isCredentialFault(await rig.provider.getCredentials('globex' as TenantId, github)));
  });

  it('is asked on for others where the quota of one is used up', async () => {
    await using rig = await scripted({
      [`GET ${secretPath}`]: say(429, {}, { 'retry-after': '60' }),
      'GET admin/tenant-globex/kv/data/github': there,
    });
    for (let n = 0; n < 2; n += 1)
      assert.partialDeepStrictEqual(await rig.provider.getCredentials(acme, github), { fault: 'busy' });
    assert.ok(!isCredentialFault(await rig.provider.getCredentials('globex' as TenantId, github)));
  });

  it('is not logged in to again and again for what its policies forbid one of them', async () => {
    let [logins, nowMs] = [0, 0];
    const host = await serveHttp((request, response) => {
      const asked = request.url ?? '';
      if (asked.endsWith('/login')) logins += 1;
      const auth = { client_token: `t-${logins}`, lease_duration: 3_600, renewable: true };
      if (asked.endsWith('/login')) return say(200, { auth })('', response);
      return say(asked.endsWith('/lookup-self') ? 200 : 403, { errors: ['permission denied'] })('', response);
    });
    const provider = openVault(
      {
        ...{ address: host.origin, auth: role, authNamespace: '', timeoutMs: 300 },
        ...{ path: path as never, namespaces: 'no', kvVersion: '2', dynamic: new Map() },
      },
      {
        clock: { ...realClock, monotonicMs: () => nowMs },
        random: () => 0.5,
        log: new MemoryTelemetry().log,
      },
    );
    for (; nowMs < 600_000; nowMs += 10_000)
      assert.partialDeepStrictEqual(await provider.getCredentials(acme, github), { fault: 'away' });
    assert.equal(logins, 2);
    await provider[Symbol.asyncDispose]();
    await host.close();
  });

  it('tells how long a secret will last that it changes by itself; that is no part of the secret', async () => {
    await using rig = await scripted({
      [creds]: say(200, { lease_id: '', lease_duration: 0, data: { password: 'p', ttl: 3_590 } }),
    });
    const read = await rig.provider.getCredentials(acme, made);
    assert.ok(read && !isCredentialFault(read));
    assert.deepEqual([...read.fields.keys()], ['password']);
  });

  it('ends what it made with the token that it was made with', async () => {
    let [logins, nowMs] = [0, 0];
    await using rig = await scripted(
      {
        [creds]: say(200, { lease_id: 'l', lease_duration: 3_600, renewable: true, data: { password: 'p' } }),
        'POST sys/leases/renew': say(200, { lease_id: 'l', lease_duration: 3_600, renewable: true }),
        'POST auth/approle/login': (asked, response) => {
          logins += 1;
          say(200, { auth: { client_token: `t-${logins}`, lease_duration: 1 } })(asked, response);
        },
      },
      { auth: role },
      { ...realClock, monotonicMs: () => nowMs },
    );
    const read = await rig.provider.getCredentials(acme, made);
    assert.ok(read && !isCredentialFault(read) && read.lease);
    assert.ok(read.lease.ttlMs <= 1_000, `${read.lease.ttlMs}`);
    const renewed = await rig.provider.leasing?.renew(acme, read.lease);
    assert.ok(renewed && !isCredentialFault(renewed) && renewed.ttlMs <= 1_000);
    nowMs = 1_100;
    await rig.provider.getCredentials(acme, made);
    const late = await rig.provider.leasing?.renew(acme, read.lease);
    assert.partialDeepStrictEqual(late, { fault: 'not_found' });
  });
});

describe('what is known of a Vault', () => {
  const config = { path, namespaces: 'auto', kvVersion: '2' } as const;
  const engines = (
    answers: readonly (CredentialFault | { readonly status: number; readonly body: object })[],
  ) => {
    let at = 0;
    return new Engines(
      config as never,
      async () => {
        const answer = answers[(at += 1) - 1] ?? assert.fail('asked too often');
        return 'status' in answer ? { status: answer.status, body: { ...answer.body } } : answer;
      },
      realClock,
    );
  };
  const away: CredentialFault = { fault: 'away', detail: 'd', retryAfterMs: 0 };

  it('is that it has namespaces, or not, or that nobody can say', async () => {
    assert.equal(await engines([{ status: 404, body: { errors: [] } }]).hasNamespaces(), true);
    assert.equal(await engines([{ status: 400, body: {} }]).hasNamespaces(), false);
    assert.deepEqual(await engines([{ status: 403, body: {} }, away]).hasNamespaces(), away);
    for (const [version, has] of [
      ['1.20.0+ent', true],
      ['1.20.0', false],
    ] as const)
      assert.equal(
        await engines([
          { status: 403, body: {} },
          { status: 200, body: { version } },
        ]).hasNamespaces(),
        has,
      );
  });

  it('is forgotten where there are too many tenants, and found out anew', async () => {
    let asked = 0;
    const many = new Engines(
      { path: path as never, namespaces: 'no', kvVersion: 'auto' },
      async () => {
        asked += 1;
        return { status: 403, body: {} };
      },
      realClock,
    );
    for (let n = 0; n <= 10_000; n += 1) await many.of(`t${n}` as TenantId);
    await many.of('t10000' as TenantId);
    assert.equal(asked, 10_001);
    await many.of('t0' as TenantId);
    assert.equal(asked, 10_002);
  });

  it('is where other engines of a tenant are', () => {
    assert.ok('segments' in path);
    assert.deepEqual(besideOf(path, 'acme', true, 'database/creds/x'), {
      namespace: 'admin/tenant-acme',
      mount: 'database/creds/x',
    });
    assert.equal(
      besideOf(path, 'acme', false, 'database/creds/x').mount,
      'admin/tenant-acme/database/creds/x',
    );
  });
});

describe('a standing that changes under those who use it', { skip }, () => {
  it('serves all of them again', async () => {
    let nowMs = 0;
    const clock = { ...realClock, monotonicMs: () => nowMs };
    const target = await openTarget({ namespaces: false });
    await using grounds = new Grounds(target, 2, false);
    await grounds.store(acme, github, { token: 't-1' });
    const { state } = target.own ?? assert.fail();
    await grounds.admin('PUT', 'sys/policies/acl/all', {
      policy: `path "${grounds.name}/*" { capabilities = ["read"] }`,
    });
    await grounds.admin('POST', 'sys/auth/approle', { type: 'approle' });
    await grounds.admin('POST', 'auth/approle/role/r', { token_policies: 'all', token_ttl: '1h' });
    const made = state.namespaces.get('')?.auths.get('approle')?.roles.get('r') ?? assert.fail();
    made.secretIds.add('s');
    const auth: VaultAuth = {
      ...role,
      roleId: made.roleId,
      kind: 'approle',
      mount: 'approle',
      secretId: new SecretText('s'),
    };
    await using provider = grounds.provider({ auth }, clock);
    const read = async (): Promise<string | undefined> => {
      const found = await provider.getCredentials(acme, github);
      return found && !isCredentialFault(found) ? found.fields.get('token')?.reveal() : undefined;
    };
    assert.equal(await read(), 't-1');
    for (const one of state.tokens.values()) if (one.renewable) state.tokens.delete(one.id);
    nowMs += 10_000;
    assert.deepEqual(await Promise.all([read(), read(), read()]), ['t-1', 't-1', 't-1']);
  });

  it('and that ends while it is being renewed is not stood up again', async () => {
    let renew: (() => void) | undefined;
    const clock = {
      ...realClock,
      after: (_delayMs: number, work: () => void) => {
        renew = work;
        return { cancel: () => undefined };
      },
    };
    const target = await openTarget({ namespaces: false });
    await using grounds = new Grounds(target, 2, false);
    await grounds.store(acme, github, { token: 't-1' });
    const own = target.own ?? assert.fail();
    const life = { ttlMs: 60_000, ttlMsMax: 3_600_000, renewable: true };
    const given = own.state.newToken({ namespace: '', policies: ['root'], ...life });
    const provider = grounds.provider({ auth: { kind: 'token', token: new SecretText(given.id) } }, clock);
    await provider.getCredentials(acme, github);
    renew?.();
    await provider[Symbol.asyncDispose]();
    for (let left = 200; left > 0 && !own.requests.some((line) => line.endsWith('renew-self')); left -= 1)
      await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(own.requests.some((line) => line.endsWith('renew-self')));
  });
});
