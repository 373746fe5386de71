/** Which addresses the proxy of a run may connect to: public ones, and those that the operator listed as they are. */

import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { AllowedHost } from '@cruvero/ports';

/** Not of the public internet (IANA registries of special addresses), or a metadata service at a public one. */
const special = new BlockList();
for (const [prefix, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const)
  special.addSubnet(prefix, bits, 'ipv4');
for (const [prefix, bits] of [
  // Teredo and other protocols' own, documentation, 6to4
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  special.addSubnet(prefix, bits, 'ipv6');

/** All of public IPv6; mapped, translated, unique local and link-local addresses lie elsewhere. */
const publicV6 = new BlockList();
publicV6.addSubnet('2000::', 3, 'ipv6');

/** Why this address must not be connected to; undefined where it may. */
export function refuseAddress(
  address: string,
  port: number,
  list: readonly AllowedHost[],
): string | undefined {
  if (list.some((each) => !each.below && each.host === address && each.port === port)) return undefined;
  const family = isIP(address);
  if (family === 0) return 'it is no address';
  const reachesInside =
    family === 4
      ? special.check(address, 'ipv4')
      : !publicV6.check(address, 'ipv6') || special.check(address, 'ipv6');
  if (reachesInside) return 'loopback, private, link-local and metadata addresses are refused';
  return isOwn(address) ? 'addresses of this machine are refused' : undefined;
}

/** A public address of the machine itself leads to what listens there for others. */
function isOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((each) => each?.some((own) => own.address === address));
}
