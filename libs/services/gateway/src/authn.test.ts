/** Who calls: deny by default, every refusal with what would be right. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { isFault, type ApiKey } from '@cruvero/core';
import { identify, requireScope, type Presented } from './authn.ts';
import { alice, faulted, snapshot, tenant } from './calls.fixture.ts';

const key = 'cmk_0123456789abcdef';
const known: ApiKey = {
  keyId: 'k1',
  sha256: createHash('sha256').update(key).digest('hex'),
  tenantId: tenant('acme'),
  principal: 'alice',
  scopes: ['mcp'],
  profile: 'strict',
};

const judge = (presented: Partial<Presented>, mode: 'apikey' | 'none' = 'apikey') =>
  identify(
    { authorization: undefined, apiKey: undefined, ...presented },
    snapshot([], [], [known]),
    mode,
    tenant(),
  );

describe('a caller', () => {
  const accepted: readonly [string, Partial<Presented>][] = [
    ['Authorization: Bearer', { authorization: `Bearer ${key}` }],
    ['the scheme in other letters', { authorization: `bEARER ${key}` }],
    ['several spaces and tabs', { authorization: `Bearer \t ${key} \t` }],
    ['X-Api-Key', { apiKey: key }],
    ['the same key in both', { authorization: `Bearer ${key}`, apiKey: key }],
  ];
  for (const [name, presented] of accepted) {
    it(`is known by its key in ${name}, with the tenant, scopes and profile of that key`, () => {
      assert.deepEqual(judge(presented), {
        tenantId: 'acme',
        name: 'alice',
        scopes: ['mcp'],
        profile: 'strict',
      });
    });
  }

  const refused: readonly [string, Partial<Presented>, RegExp][] = [
    ['no key at all', {}, /An API key is needed: send "Authorization: Bearer <key>" or "X-Api-Key: <key>"/],
    ['a key that nobody knows', { apiKey: 'other' }, /not known here/],
    ['a key with one letter more', { apiKey: `${key}x` }, /not known here/],
    ['another scheme', { authorization: `Basic ${key}` }, /not of the form "Bearer <key>"/],
    ['a scheme without a key', { authorization: 'Bearer' }, /not of the form/],
    ['a scheme and nothing but spaces', { authorization: 'Bearer   ' }, /not of the form/],
    ['the key without a scheme', { authorization: key }, /not of the form/],
    ['two keys in one header', { authorization: `Bearer ${key} ${key}` }, /not of the form/],
    ['an empty Authorization', { authorization: '' }, /not of the form/],
    [
      'a bad Authorization beside a good X-Api-Key',
      { authorization: 'Basic x', apiKey: key },
      /not of the form/,
    ],
    ['different keys in both', { authorization: `Bearer ${key}`, apiKey: 'other' }, /carry different keys/],
    ['an empty X-Api-Key', { apiKey: '' }, /1 to 512 characters/],
    ['a key of great length', { apiKey: 'x'.repeat(513) }, /1 to 512 characters/],
  ];
  for (const [name, presented, detail] of refused) {
    it(`with ${name} is refused and told what to do, without its key being repeated`, () => {
      const fault = faulted(judge(presented));
      assert.equal(fault.fault, 'unauthenticated');
      assert.match('detail' in fault ? fault.detail : '', detail);
      assert.ok(!JSON.stringify(fault).includes(key));
    });
  }

  it('needs no key where that was said explicitly, and is of the gateway own tenant', () => {
    assert.deepEqual(judge({ apiKey: 'whatever' }, 'none'), {
      tenantId: 'default',
      name: 'anonymous',
      scopes: ['mcp', 'admin'],
      profile: 'default',
    });
  });

  it('without a key is refused by a gateway that has no configuration yet', () => {
    const nothing = identify({ authorization: undefined, apiKey: key }, snapshot(), 'apikey', tenant());
    assert.ok(isFault(nothing));
  });
});

describe('a scope', () => {
  it('that the principal has lets it through', () => {
    assert.equal(requireScope(alice, 'mcp'), undefined);
  });

  it('that it has not is named, beside those that it has', () => {
    const fault = faulted(requireScope(alice, 'admin') ?? {});
    assert.deepEqual(fault, {
      fault: 'forbidden',
      detail: 'This key has not the scope "admin"; it has: mcp.',
    });
    const none = faulted(requireScope({ ...alice, scopes: [] }, 'mcp') ?? {});
    assert.match('detail' in none ? none.detail : '', /it has: none\./);
  });
});
