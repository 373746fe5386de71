/** No secret leaves through a log, whatever it is called and wherever it stands. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import fc from 'fast-check';

import { isSecretName, redacted, redactFields, redactText } from './redact.ts';
import { Secret } from './secret.ts';

describe('names', () => {
  test('of secrets are known in every spelling', () => {
    const secret = [
      'password',
      'Password',
      'db_password',
      'PASSWD',
      'passphrase',
      'secret',
      'clientSecret',
      'client_secret',
      'token',
      'accessToken',
      'ACCESS_TOKEN',
      'refresh-token',
      'Authorization',
      'proxy-authorization',
      'apiKey',
      'api_key',
      'x-api-key',
      'APIKEY',
      'cookie',
      'Set-Cookie',
      'credentials',
      'privateKey',
      'accessKey',
      'jwt',
      'idTokens',
      'passwordHash',
      'authorizationHeader',
    ];
    for (const name of secret) assert.ok(isSecretName(name), name);
  });

  test('that only speak about a secret, or about something else, are not', () => {
    const plain = [
      'tool',
      'key',
      'keyId',
      'apiKeyId',
      'tokenCount',
      'tokenType',
      'secretName',
      'tokenBudget',
      'tokenize',
      'author',
      'session',
      'path',
      'monkey',
      '',
    ];
    for (const name of plain) assert.ok(!isSecretName(name), name);
  });
});

describe('fields', () => {
  test('are replaced at every depth, in arrays and maps too', () => {
    const copy = redactFields({
      user: 'ada',
      headers: { Authorization: 'Bearer abcdefghijk', accept: '*/*' },
      servers: [{ env: { API_KEY: 'k' } }],
      map: new Map([['password', 'p']]),
      token: { nested: 'object' },
      password: 12345,
    });
    assert.deepEqual(copy, {
      user: 'ada',
      headers: { Authorization: redacted, accept: '*/*' },
      servers: [{ env: { API_KEY: redacted } }],
      map: { password: redacted },
      token: redacted,
      password: redacted,
    });
  });

  test('that hold nothing, yes or no, or a number of tokens stay readable', () => {
    const fields = { password: null, token: true, inputTokens: 512 };
    assert.deepEqual(redactFields(fields), fields);
  });

  test('become what can be written: errors, dates, big integers, bytes, secrets, circles, undefined', () => {
    const loop: Record<string, unknown> = { a: 1 };
    loop['self'] = loop;
    const copy = redactFields({
      when: new Date(0),
      big: 10n,
      bytes: new Uint8Array(3),
      held: new Secret('hunter2'),
      loop,
      gone: undefined,
      work: () => 1,
      set: new Set([1, 2]),
      hostile: {
        toJSON: () => {
          throw new Error('no');
        },
      },
    });
    assert.equal(copy['when'], '1970-01-01T00:00:00.000Z');
    assert.equal(copy['big'], '10');
    assert.equal(copy['bytes'], '[3 bytes]');
    assert.equal(copy['held'], '[secret]');
    assert.deepEqual(copy['loop'], { a: 1, self: '[circular]' });
    assert.deepEqual(copy['set'], [1, 2]);
    assert.ok(!('gone' in copy) && !('work' in copy));
  });

  test('of an error keep its type, message, stack, own fields and cause', () => {
    const error = Object.assign(
      new TypeError('cannot reach nats://u:hunter2@host', { cause: new Error('inner') }),
      { code: 'E1', token: 'hunter2' },
    );
    const copy = redactFields({ error });
    assert.partialDeepStrictEqual(copy, {
      error: { type: 'TypeError', code: 'E1', token: redacted, cause: { type: 'Error', message: 'inner' } },
    });
    assert.ok(!JSON.stringify(copy).includes('hunter2'));
  });

  test('are bounded in depth, number and length', () => {
    let deep: unknown = 'end';
    for (let i = 0; i < 1_000; i += 1) deep = { deep };
    const wide = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`f${i}`, 'x'.repeat(100)]));
    const text = JSON.stringify(
      redactFields({
        deep,
        wide,
        long: 'y'.repeat(1_000_000),
        many: Array.from({ length: 5_000 }, () => 'z'),
      }),
    );
    assert.ok(text.length < 40_000, String(text.length));
    assert.match(text, /\[deeper\]/);
    assert.match(text, /5000 items/);
  });

  test('with the name of the prototype do no harm', () => {
    const fields: unknown = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}');
    const copy = redactFields({ fields })['fields'];
    assert.deepEqual(copy, { a: 1 });
    assert.equal(Object.getPrototypeOf(copy), Object.prototype);
    assert.ok(!('polluted' in {}));
  });

  test('never carry a secret out, and never throw', () => {
    const secret = 'S3CR3T-VALUE';
    const name = fc.constantFrom('password', 'apiKey', 'Authorization', 'x-auth-token', 'cookie');
    const holder = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.dictionary(name, fc.constant(secret)),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('node'), { maxKeys: 3 }),
        fc.anything({
          withBigInt: true,
          withDate: true,
          withMap: true,
          withSet: true,
          withTypedArray: true,
          withNullPrototype: true,
        }),
      ),
    })).node;
    fc.assert(
      fc.property(holder, (value) => {
        assert.ok(!JSON.stringify(redactFields({ value })).includes(secret));
      }),
    );
  });
});

test('texts lose passwords in URLs and credentials after Bearer or Basic', () => {
  assert.equal(redactText('at nats://user:pw@host:4222 now'), `at nats://${redacted}@host:4222 now`);
  assert.equal(redactText('redis://:pw@host'), `redis://${redacted}@host`);
  assert.equal(redactText('Authorization: Bearer abc.def-ghi_jkl'), `Authorization: Bearer ${redacted}`);
  assert.equal(redactText('mail a@b.example, see http://x/@y'), 'mail a@b.example, see http://x/@y');
  assert.equal(redactText('a bearer of news'), 'a bearer of news');
});

test('redacting hostile texts takes time in proportion to their length', () => {
  const before = performance.now();
  for (const piece of ['://', 'bearer ', 'basic\t', '@', '://a', 'Bearer a'])
    redactText(piece.repeat(50_000));
  assert.ok(performance.now() - before < 1_000);
});
