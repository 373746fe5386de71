/** Secrets stay unseen, references are read strictly, leases end when they should. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import {
  defaultLeasePolicy,
  endsLease,
  isGranted,
  judgeLease,
  leaseBackoffMs,
  leaseSpan,
  type CredentialFailure,
} from './lease.ts';
import {
  credentialEnvironment,
  credentialHeader,
  credentialKey,
  isCredentialVariable,
  readCredentialHeader,
  readIntegration,
  type CredentialUse,
  type Integration,
} from './reference.ts';
import { sameFields, SecretText, type SecretFields } from './secret-text.ts';

const canary = 'canary-7f3a';
const fields = (values: Readonly<Record<string, string>>): SecretFields =>
  new Map(Object.entries(values).map(([name, text]) => [name, new SecretText(text)]));
const github = 'github' as Integration;
const bearer: CredentialUse = { secretRef: github, scheme: 'bearer', field: 'token' };
const basic: CredentialUse = {
  secretRef: github,
  scheme: 'basic',
  userField: 'username',
  passwordField: 'password',
};
const header: CredentialUse = { secretRef: github, scheme: 'header', header: 'x-api-key', field: 'key' };

describe('a secret text', () => {
  it('is not shown by any way of printing it, alone or inside of something', () => {
    const secret = new SecretText(canary);
    const holder = { secret, map: new Map([['token', secret]]), list: [secret] };
    const shown = [
      String(secret),
      `${secret}`,
      secret + '',
      JSON.stringify(holder),
      inspect(holder, { depth: 9 }),
    ];
    for (const text of shown) assert.doesNotMatch(text, /canary/);
    assert.match(inspect(secret), /^\[secret\]$/);
    assert.deepEqual(Object.keys(secret), []);
    assert.equal(secret.reveal(), canary);
  });

  it('equals another of the same text, and fields equal fields by name and text', () => {
    assert.ok(new SecretText('a').equals(new SecretText('a')));
    assert.ok(sameFields(fields({ a: '1', b: '2' }), fields({ b: '2', a: '1' })));
    for (const other of [{ a: '1' }, { a: '1', b: '3' }, { a: '1', c: '2' }])
      assert.ok(!sameFields(fields({ a: '1', b: '2' }), fields(other)));
  });
});

describe('the name of an integration', () => {
  it('is one plain segment, so that it means nothing to a path, a glob or a template', () => {
    const hostile = [
      '',
      '.',
      '..',
      'a/b',
      'a%2fb',
      '*',
      'other.*',
      '{id}',
      'A',
      'a b',
      'a\n',
      'ü',
      '-a',
      'x'.repeat(64),
    ];
    for (const text of [...hostile, undefined, 7, ['a']]) assert.equal(readIntegration(text), undefined);
    assert.equal(readIntegration('github-2_x'), 'github-2_x');
    fc.assert(
      fc.property(fc.string(), (text) => {
        const read = readIntegration(text);
        assert.ok(read === undefined || (read === text && encodeURIComponent(text) === text));
      }),
    );
  });
});

describe('the header of a credential', () => {
  it('is made of the fields that the server names', () => {
    assert.deepEqual(credentialHeader(bearer, fields({ token: 't-1' })), {
      name: 'authorization',
      value: 'Bearer t-1',
    });
    assert.deepEqual(credentialHeader(header, fields({ key: 'k 1' })), { name: 'x-api-key', value: 'k 1' });
    const made = credentialHeader(basic, fields({ username: 'ann', password: 'p:ü' }));
    assert.ok('value' in made);
    assert.equal(Buffer.from(made.value.slice(6), 'base64').toString(), 'ann:p:ü');
  });

  it('says which field is missing or unfit, and nothing of its text', () => {
    const cases: readonly (readonly [CredentialUse, Readonly<Record<string, string>>])[] = [
      [bearer, {}],
      [bearer, { token: `${canary}\r\nx: y` }],
      [bearer, { token: ` ${canary}` }],
      [bearer, { token: '' }],
      [header, { key: `${canary}é` }],
      [basic, { password: canary }],
      [basic, { username: canary }],
      [basic, { username: `${canary}:x`, password: canary }],
    ];
    for (const [use, values] of cases) {
      const made = credentialHeader(use, fields(values));
      assert.ok('problem' in made, JSON.stringify(values));
      assert.doesNotMatch(made.problem, /canary/);
    }
  });

  it('is none of those that say what a message is or where it goes', () => {
    for (const name of [
      'Host',
      'content-length',
      'Mcp-Session-Id',
      'connection',
      'x-forwarded-for',
      'te',
      'a b',
      '',
      'ü',
    ])
      assert.equal(readCredentialHeader(name), undefined, name);
    assert.equal(readCredentialHeader('X-Api-Key'), 'x-api-key');
    assert.equal(readCredentialHeader('Authorization'), 'authorization');
  });

  it('has a key of its own for each use', () => {
    const uses = [bearer, header, basic, { ...bearer, field: 'x' }, { ...header, header: 'x-y' }];
    assert.equal(new Set(uses.map(credentialKey)).size, uses.length);
    assert.equal(credentialKey(bearer), credentialKey({ ...bearer }));
  });
});

describe('the environment of a credential', () => {
  const use = { secretRef: github, variables: { GITHUB_TOKEN: 'token' } };

  it('holds the fields under the variables that were named', () => {
    assert.deepEqual(credentialEnvironment(use, fields({ token: 't', other: 'o' })), {
      env: { GITHUB_TOKEN: 't' },
    });
  });

  it('says what is missing or unfit', () => {
    assert.ok('problem' in credentialEnvironment(use, fields({})));
    const bad = credentialEnvironment(use, fields({ token: `${canary}\0` }));
    assert.doesNotMatch(JSON.stringify(bad), /canary/);
    assert.ok('problem' in bad);
  });

  it('takes no variable that changes how a program is found or loaded', () => {
    for (const name of ['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'GIT_SSH', 'BASH_ENV', 'A=B', '1A', ''])
      assert.ok(!isCredentialVariable(name), name);
    assert.ok(isCredentialVariable('GITHUB_TOKEN'));
  });
});

describe('a lease', () => {
  const policy = defaultLeasePolicy;

  it('is good, then due, then over, and due before it is over', () => {
    fc.assert(
      fc.property(
        fc.nat(1e9),
        fc.nat(1e8),
        fc.double({ min: 0, max: 0.999999, noNaN: true }),
        (at, ttl, chance) => {
          const span = leaseSpan(at, ttl, policy, () => chance);
          assert.ok(span.startMs < span.renewAtMs && span.renewAtMs < span.endMs);
          const lifeMs = span.endMs - span.startMs;
          assert.ok(lifeMs >= policy.ttlMsMin && lifeMs <= policy.ttlMsMax);
          assert.equal(judgeLease(span, at), 'good');
          assert.equal(judgeLease(span, span.renewAtMs - 1), 'good');
          assert.equal(judgeLease(span, span.renewAtMs), 'due');
          assert.equal(judgeLease(span, span.endMs - 1), 'due');
          assert.equal(judgeLease(span, span.endMs), 'over');
        },
      ),
    );
  });

  it('is asked for again after pauses that grow to a bound, spread by chance', () => {
    const pauses = [1, 2, 3, 10, 1_000].map((n) => leaseBackoffMs(n, policy, () => 1));
    assert.deepEqual(pauses, [500, 1_000, 2_000, 15_000, 15_000]);
    assert.equal(
      leaseBackoffMs(1, policy, () => 0),
      250,
    );
  });

  it('is ended by a verdict, and by no outage', () => {
    const ends = (why: CredentialFailure): boolean => endsLease(why);
    assert.deepEqual((['not_found', 'denied', 'away', 'busy', 'unfit'] as const).map(ends), [
      true,
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('a grant', () => {
  const grants = [
    { asker: 'gw-1', tenant: '*', integration: '*' },
    { asker: 'bridge', tenant: 'acme', integration: 'github' },
    { asker: 'gw-2', tenant: 'globex', integration: '*' },
  ];

  it('opens what it names, to whom it names', () => {
    assert.ok(isGranted(grants, 'gw-1', 'acme', 'x'));
    assert.ok(isGranted(grants, 'bridge', 'acme', 'github'));
    assert.ok(isGranted(grants, 'gw-2', 'globex', 'x'));
    for (const [asker, tenant, integration] of [
      ['bridge', 'acme', 'gitlab'],
      ['bridge', 'globex', 'github'],
      ['gw-2', 'acme', 'x'],
      ['gw-3', 'acme', 'x'],
      ['*', 'acme', 'x'],
    ] as const)
      assert.ok(!isGranted(grants, asker, tenant, integration), `${asker} ${tenant}/${integration}`);
  });
});
