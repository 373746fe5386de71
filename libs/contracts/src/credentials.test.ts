/** References are read strictly, and what askers and the broker say can be neither read nor changed on the way. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { credentialAskSchema, credentialAuditSchema, credentialPutSchema } from './credential-messages.ts';
import { newSealKeys, openSeal, readAskerKey, sealTo, sign, signerOf, verify } from './credential-seal.ts';
import {
  credentialUse,
  credentialWire,
  credentialWireSchema,
  readFileCredential,
  readFileEnvironment,
} from './credential-use.ts';
import { credentialSubjects, streams } from './subjects.ts';

const canary = 'canary-7f3a';
const key = new Uint8Array(32).fill(7);
const otherKey = new Uint8Array(32).fill(8);
const ask = 'cruvero-credential-ask';
const answer = 'cruvero-credential-answer';

describe('a seal', () => {
  it('is opened by the key that it is for, and by no other', async () => {
    const [mine, other] = [await newSealKeys(), await newSealKeys()];
    const sealed = await sealTo(mine.publicKey, { secret: canary });
    assert.doesNotMatch(sealed, /canary/);
    for (const part of sealed.split('.'))
      assert.doesNotMatch(Buffer.from(part, 'base64url').toString(), /canary/);
    assert.deepEqual(await openSeal(mine, sealed), { secret: canary });
    assert.equal(await openSeal(other, sealed), undefined);
    assert.equal(await openSeal(mine, 'x.y.z'), undefined);
  });

  it('that was touched does not open', async () => {
    const mine = await newSealKeys();
    const parts = (await sealTo(mine.publicKey, { secret: canary })).split('.');
    for (const [at, part] of parts.entries()) {
      if (part === '') continue;
      const changed = part.startsWith('A') ? `B${part.slice(1)}` : `A${part.slice(1)}`;
      assert.equal(await openSeal(mine, parts.with(at, changed).join('.')), undefined, `part ${at}`);
    }
  });

  it('is never made for a key with a private part', () => {
    const ofAsk = { op: 'lease', nonce: 'n'.repeat(22), at_ms: 1, tenant: 'acme', integration: 'github' };
    const publicKey = { kty: 'OKP', crv: 'X25519', x: 'a'.repeat(43) };
    assert.ok(credentialAskSchema.safeParse({ ...ofAsk, public_key: publicKey }).success);
    assert.ok(!credentialAskSchema.safeParse({ ...ofAsk, public_key: { ...publicKey, d: 'x' } }).success);
  });
});

describe('a signature', () => {
  it('says who it is from, and is checked by that key, name and direction only', async () => {
    const jws = await sign(ask, 'gw-1', key, { op: 'key' });
    assert.equal(signerOf(jws), 'gw-1');
    assert.deepEqual(await verify(ask, 'gw-1', key, jws), { op: 'key' });
    assert.equal(await verify(ask, 'gw-1', otherKey, jws), undefined);
    assert.equal(await verify(ask, 'gw-2', key, jws), undefined);
    assert.equal(await verify(answer, 'gw-1', key, jws), undefined);
    assert.equal(await verify(ask, 'gw-1', key, `${jws}x`), undefined);
  });

  it('of nobody has no signer', async () => {
    assert.equal(signerOf('no'), undefined);
    assert.equal(signerOf(await sign(ask, '../x', key, {})), undefined);
    const anonymous = Buffer.from('{"alg":"none"}').toString('base64url');
    assert.equal(signerOf(`${anonymous}.e30.`), undefined);
    assert.equal(await verify(ask, 'gw-1', key, `${anonymous}.e30.`), undefined);
  });

  it('is made with a key of 32 bytes, in either alphabet of base64', () => {
    const bytes = Buffer.alloc(32, 0xff);
    assert.deepEqual(readAskerKey(bytes.toString('base64')), new Uint8Array(bytes));
    assert.deepEqual(readAskerKey(bytes.toString('base64url')), new Uint8Array(bytes));
    for (const bad of ['', 'short', 'x'.repeat(60), Buffer.alloc(31).toString('base64')])
      assert.equal(readAskerKey(bad), undefined, bad);
  });
});

describe('a reference to a secret', () => {
  it('reads as it is written, with the usual names where none is given', () => {
    assert.deepEqual(readFileCredential({ secretRef: 'github' }), {
      secretRef: 'github',
      scheme: 'bearer',
      field: 'token',
    });
    assert.deepEqual(
      readFileCredential({ secretRef: 'a', scheme: 'header', header: 'X-Api-Key', field: 'k' }),
      {
        secretRef: 'a',
        scheme: 'header',
        header: 'x-api-key',
        field: 'k',
      },
    );
    assert.deepEqual(readFileCredential({ secretRef: 'a', scheme: 'basic' }), {
      secretRef: 'a',
      scheme: 'basic',
      userField: 'username',
      passwordField: 'password',
    });
    assert.deepEqual(readFileEnvironment({ secretRef: 'a', env: { A_TOKEN: 'token' } }), {
      secretRef: 'a',
      variables: { A_TOKEN: 'token' },
    });
  });

  it('that holds a value, or anything else unknown, is refused without repeating it', () => {
    const wrong: readonly unknown[] = [
      undefined,
      'github',
      { secretRef: 'github', token: canary },
      { secretRef: 'github', [canary]: 1 },
      { secretRef: `${canary}/../x` },
      { secretRef: '*' },
      { secretRef: 'a', scheme: 'header' },
      { secretRef: 'a', scheme: 'bearer', header: 'x-a' },
      { secretRef: 'a', scheme: 'header', header: 'Host' },
      { secretRef: 'a', scheme: 'digest' },
    ];
    for (const value of wrong) {
      const said = readFileCredential(value);
      assert.ok(typeof said === 'string', JSON.stringify(value));
      assert.doesNotMatch(said, /canary/);
    }
    for (const value of [
      { secretRef: 'a' },
      { secretRef: 'a', env: {} },
      { secretRef: 'a', env: { PATH: 'p' } },
    ])
      assert.ok(typeof readFileEnvironment(value) === 'string', JSON.stringify(value));
  });

  it('is the same after the wire', () => {
    const uses = [
      { secretRef: 'a' },
      { secretRef: 'a', scheme: 'header', header: 'x-a' },
      { secretRef: 'a', scheme: 'basic', userField: 'u' },
    ].map(readFileCredential);
    for (const use of uses) {
      assert.ok(typeof use !== 'string');
      assert.deepEqual(credentialUse(credentialWireSchema.parse(credentialWire(use))), use);
    }
  });
});

describe('messages of the broker', () => {
  it('are under no stream, but for the audit, which has no place for a secret', () => {
    const subjects = credentialSubjects('cruvero');
    const kept = Object.values(streams('cruvero')).flatMap((stream) =>
      stream.subjects.map((s) => s.replace('>', '')),
    );
    for (const subject of [subjects.ask, subjects.revoked])
      assert.ok(!kept.some((start) => subject.startsWith(start)), subject);
    assert.ok(kept.some((start) => subjects.audit.startsWith(start)));
    const fields = Object.keys(credentialAuditSchema.shape);
    assert.ok(!fields.some((name) => /value|secret|field|sealed/.test(name)));
  });

  it('take a secret of one to 32 fields', () => {
    const put = (fields: object): boolean => credentialPutSchema.safeParse({ fields }).success;
    assert.ok(put({ token: 't' }));
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`f${n}`, 'x']));
    for (const wrong of [{}, many, { '../x': 't' }, { token: '' }, { token: 7 }]) assert.ok(!put(wrong));
  });
});
