/** Addresses that a proxy may connect to. */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { refuseAddress } from './addresses.ts';

it('refuses every address that leads inside, in each notation', () => {
  const inside = [
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
    ...['169.254.169.254', '100.64.0.1', '100.100.100.200', '168.63.129.16', '192.0.0.192', '198.18.0.1'],
    ...['224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'fd20:ce::254'],
    ...['::ffff:127.0.0.1', '::ffff:8.8.8.8', '::a9fe:a9fe', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1'],
    ...['2002:a9fe:a9fe::', '2001:0:1::1', '2001:db8::1', 'ff02::1', '100::1', 'not an address', ''],
  ];
  for (const address of inside) assert.ok(refuseAddress(address, 80, []) !== undefined, address);
});

it('lets public addresses pass', () => {
  for (const address of [
    '1.1.1.1',
    '8.8.8.8',
    '172.32.0.1',
    '192.169.0.1',
    '2606:4700::1111',
    '2001:4860::8888',
  ])
    assert.equal(refuseAddress(address, 443, []), undefined, address);
});

it('lets an address inside pass that is listed as it is, at its port only', () => {
  const list = [{ host: '10.0.0.7', below: false, port: 8080 }];
  assert.equal(refuseAddress('10.0.0.7', 8080, list), undefined);
  assert.ok(refuseAddress('10.0.0.7', 80, list) !== undefined);
  assert.ok(refuseAddress('10.0.0.8', 8080, list) !== undefined);
});
