/**
 * Which addresses an upstream may have: refuses the ones that answer with a machine's own credentials (SSRF).
 */

import { lookup, type LookupAddress, type LookupAllOptions, type LookupOptions } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';

/** A reason where a resolved IP address must not be connected to; undefined where it may. */
export type RefuseAddress = (address: string) => string | undefined;

/**
 * Link-local, "this network", and the metadata services of the clouds, in every notation that carries an IPv4
 * address.
 */
const metadata = new BlockList();
/** NAT64 (RFC 6052, RFC 8215), IPv4-translated (RFC 7915) and IPv4-compatible forms; BlockList knows the mapped one itself. */
const carriers = ['64:ff9b::', '64:ff9b:1::', '::ffff:0:', '::'];
for (const [address, bits] of [
  ['169.254.0.0', 16],
  ['0.0.0.0', 8],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['192.0.0.192', 32],
] as const) {
  metadata.addSubnet(address, bits, 'ipv4');
  for (const carrier of carriers) {
    // ::1 is no IPv4 address
    if (carrier !== '::' || bits !== 8) metadata.addSubnet(`${carrier}${address}`, 96 + bits, 'ipv6');
  }
  metadata.addSubnet(sixToFour(address), 16 + bits, 'ipv6');
}
for (const [prefix, bits] of [
  ['fe80::', 10],
  ['::', 128],
  // All of AWS's own: instance metadata, and the credentials of pods (fd00:ec2::23).
  ['fd00:ec2::', 32],
  ['fd20:ce::254', 128],
] as const) {
  metadata.addSubnet(prefix, bits, 'ipv6');
}

/** RFC 3056 */
function sixToFour(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `2002:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}::`;
}

const metadataNames = /^(?:metadata|instance-data|metadata\.google\.internal|metadata\.azure\.internal)\.?$/i;

/** The default rule: loopback and private networks are allowed, link-local and metadata addresses are not. */
export const refuseMetadata: RefuseAddress = (address) => {
  const bare = address.replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 0) return 'it is not an IP address';
  return metadata.check(bare, family === 6 ? 'ipv6' : 'ipv4')
    ? 'link-local and metadata addresses are refused'
    : undefined;
};

export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

const systemResolve: Resolve = (hostname, options, done) => lookup(hostname, options, done);

export class RefusedAddress extends Error {
  override readonly name = 'RefusedAddress';
  readonly code = 'REFUSED_ADDRESS';
}

/**
 * Resolves a name once and hands out only addresses that were checked, so that the socket goes to the checked
 * one: a name
 * that answers differently a moment later (DNS rebinding) gains nothing. One bad address among several
 * refuses them all.
 */
export function guardedLookup(refuse: RefuseAddress, resolve: Resolve = systemResolve): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      for (const { address } of addresses) {
        const reason = refuse(address);
        if (reason !== undefined) return callback(new RefusedAddress(reason), '', 0);
      }
      const [first] = addresses;
      if (options.all === true) return callback(null, addresses);
      return first ? callback(null, first.address, first.family) : callback(new Error('no address'), '', 0);
    });
  };
}

export interface ConnectorOptions {
  readonly refuseAddress: RefuseAddress;
  /** For DNS, TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** PEM of further certificate authorities. */
  readonly ca?: string;
}

/** Opens sockets of HTTP/1.1 only, and only to addresses that the rule lets pass. */
export function guardedConnector(options: ConnectorOptions): buildConnector.connector {
  const connect = buildConnector({
    timeout: options.connectTimeoutMs,
    allowH2: false,
    lookup: guardedLookup(options.refuseAddress),
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  });
  return (to, callback) => {
    // Node resolves no literal address, so the lookup above never sees one.
    const host = to.hostname.replace(/^\[|\]$/g, '');
    const reason =
      isIP(host.replace(/%.*$/, '')) !== 0
        ? options.refuseAddress(host)
        : metadataNames.test(host)
          ? 'names of metadata services are refused'
          : undefined;
    if (reason === undefined) return connect(to, callback);
    queueMicrotask(() => callback(new RefusedAddress(reason), null));
  };
}
