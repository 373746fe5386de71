/** Which hosts a run may reach: entries of a list, and whether a host and a port are among them. */

import { isIPv4, isIPv6 } from 'node:net';

/** One entry: that host, or with `below` every name that ends in `.host`; always one port. */
export interface AllowedHost {
  /** Lower case; addresses in their one canonical form, IPv6 without brackets. */
  readonly host: string;
  readonly below: boolean;
  readonly port: number;
}

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

const namePattern = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;
const nameCharsMax = 253;
/** Resolvers read such names as addresses: 0x7f.1, 2130706433. */
const numericEnd = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;

/** A host in its one canonical form; undefined where it is none. IPv6 needs its brackets. */
export function canonicalHost(text: string): string | undefined {
  const inner = /^\[(.*)\]$/.exec(text)?.[1];
  if (inner !== undefined)
    return isIPv6(inner) && !inner.includes('%')
      ? new URL(`http://[${inner}]/`).hostname.slice(1, -1)
      : undefined;
  const name = text.toLowerCase().replace(/\.$/, '');
  if (isIPv4(name)) return name;
  return name.length <= nameCharsMax && namePattern.test(name) && !numericEnd.test(name) ? name : undefined;
}

/** `host:port` with nothing else around it. */
export function readHostAndPort(text: string): HostAndPort | undefined {
  const found = /^([^:[\]]+|\[[^[\]]*\]):([0-9]{1,5})$/.exec(text);
  const host = canonicalHost(found?.[1] ?? '');
  const port = Number(found?.[2]);
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** An entry of the list, or what is wrong with it. */
export function readAllowedHost(text: string): AllowedHost | { readonly problem: string } {
  const below = text.startsWith('*.');
  const read = readHostAndPort(below ? text.slice(2) : text);
  if (!read) return { problem: 'must be host:port, *.domain:port or [address]:port, such as pypi.org:443' };
  const isAddress = isIPv4(read.host) || read.host.includes(':');
  if (below && (isAddress || !read.host.includes('.')))
    return { problem: 'must name a domain of two parts or more behind the *, such as *.example.com:443' };
  return { ...read, below };
}

export function isAllowedHost(list: readonly AllowedHost[], { host, port }: HostAndPort): boolean {
  return list.some(
    (each) => each.port === port && (each.below ? host.endsWith(`.${each.host}`) : host === each.host),
  );
}

/** As it stands in the list. */
export function sayAllowedHost({ host, below, port }: AllowedHost): string {
  return `${below ? '*.' : ''}${host.includes(':') ? `[${host}]` : host}:${port}`;
}
