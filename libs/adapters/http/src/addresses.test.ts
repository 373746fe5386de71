/** Which addresses are refused, and that a name leads only to an address that was checked. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { guardedLookup, RefusedAddress, refuseMetadata, type Resolve } from './addresses.ts';

const refused = [
  '169.254.169.254',
  '169.254.0.1',
  '0.0.0.0',
  '0.1.2.3',
  '100.100.100.200',
  '168.63.129.16',
  'fe80::1',
  'febf::1',
  'fe80::1%eth0',
  '::',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::ffff:0.0.0.0',
  '::a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::169.254.169.254',
  '2002:a9fe:a9fe::1',
  'fd00:ec2::254',
  'fd00:ec2::23',
  '64:ff9b::6464:64c8',
  '64:ff9b::168.63.129.16',
  '::6464:64c8',
  '2002:6464:64c8::1',
  '::ffff:0:169.254.169.254',
  '64:ff9b:1::a9fe:a9fe',
  'not an address',
  '',
];
const allowed = [
  '127.0.0.1',
  '10.1.2.3',
  '192.168.1.1',
  '172.16.0.1',
  '8.8.8.8',
  '169.253.255.255',
  '1.0.0.0',
  '::1',
  'fd00::1',
  'fec0::1',
  '2001:db8::1',
  '::ffff:127.0.0.1',
  '64:ff9b::808:808',
  '64:ff9b:1::808:808',
  '::ffff:0:8.8.8.8',
  '2002:808:808::1',
  'fd00:ec3::1',
];

describe('refuseMetadata', () => {
  for (const address of refused)
    it(`refuses ${JSON.stringify(address)}`, () => assert.ok(refuseMetadata(address)));
  for (const address of allowed)
    it(`allows ${address}`, () => assert.equal(refuseMetadata(address), undefined));
});

describe('guardedLookup', () => {
  const lookup = (addresses: readonly string[], all: boolean): Promise<unknown> => {
    const resolve: Resolve = (_hostname, _options, done) =>
      done(
        null,
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    return new Promise((settle, reject) => {
      guardedLookup(refuseMetadata, resolve)('name.test', { all }, (error, found) =>
        error ? reject(error) : settle(found),
      );
    });
  };

  it('hands out what it checked, in both forms', async () => {
    assert.equal(await lookup(['10.0.0.1', '10.0.0.2'], false), '10.0.0.1');
    assert.deepEqual(await lookup(['10.0.0.1'], true), [{ address: '10.0.0.1', family: 4 }]);
  });

  it('refuses a name with one bad address among good ones', async () => {
    await assert.rejects(lookup(['10.0.0.1', '169.254.169.254'], true), RefusedAddress);
    await assert.rejects(lookup(['169.254.169.254', '10.0.0.1'], false), RefusedAddress);
  });

  it('fails where a name has no address at all', async () => {
    await assert.rejects(lookup([], false), /no address/);
  });
});
