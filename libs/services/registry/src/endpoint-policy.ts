/** Which addresses a server may be registered under: never a cloud's metadata service, never one with a password in it. */

import { isIPv6 } from 'node:net';
import type { ServerRecord } from '@cruvero/core';

const metadataHosts: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
  // addresses outside link-local that clouds serve metadata from
  '[fd00:ec2::254]',
  '[fd20:ce::254]',
  '100.100.100.200',
  '168.63.129.16',
]);

/**
 * `a.b.c.d` inside an IPv6 address that only wraps an IPv4 one, as the URL parser writes it
 * (::ffff:a9fe:a9fe).
 */
function wrappedIPv4(host: string): string | undefined {
  const [, high, low] = /^(?:64:ff9b::|::ffff:|::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(host) ?? [];
  if (high === undefined || low === undefined) return undefined;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join('.');
}

/**
 * `host` as URL.hostname gives it: lower case, IPv4 in dots whatever way it was written, IPv6 in brackets.
 */
function isRefusedHost(host: string): boolean {
  const name = host.replace(/\.$/, '');
  if (metadataHosts.has(name)) return true;
  const bare = name.startsWith('[') ? name.slice(1, -1) : name;
  const ipv4 = isIPv6(bare) ? wrappedIPv4(bare) : bare;
  if (
    ipv4 !== undefined &&
    (/^169\.254\./.test(ipv4) || /^0\.0\.0\.0$/.test(ipv4) || metadataHosts.has(ipv4))
  )
    return true;
  // fe80::/10 is link-local; :: is "unspecified"
  return isIPv6(bare) && (/^fe[89ab][0-9a-f]:/.test(bare) || bare === '::');
}

/** True where `endpoint` is `allowed` or stands below it: same origin, and the path goes on at a slash. */
function isBelow(endpoint: URL, allowed: string): boolean {
  if (!URL.canParse(allowed)) return false;
  const { origin, pathname } = new URL(allowed);
  if (endpoint.origin !== origin) return false;
  const folder = pathname.endsWith('/') ? pathname : `${pathname}/`;
  return endpoint.pathname === pathname || endpoint.pathname.startsWith(folder);
}

/** What is wrong with an http(s) endpoint, as the rest of a sentence; undefined where it may be used. */
export function endpointProblem(text: string, allowedEndpoints?: readonly string[]): string | undefined {
  if (text.length > 2_048) return 'is longer than 2048 characters';
  if (/[\s\0-\x1f]/.test(text) || !URL.canParse(text)) return 'is not a URL such as http://host:port/mcp';
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must begin with http:// or https://';
  if (url.username !== '' || url.password !== '')
    return 'must not carry a user name or password; pass credentials by reference';
  if (isRefusedHost(url.hostname)) return 'is a link-local or metadata address, which is never a server';
  if (
    allowedEndpoints &&
    allowedEndpoints.length > 0 &&
    !allowedEndpoints.some((each) => isBelow(url, each))
  ) {
    return 'is not below one of the allowed endpoints of this server';
  }
  return undefined;
}

/** Why this address cannot be an instance that came by itself, of a server as it is written down; undefined where it can. */
export function announcedProblem(
  endpoint: string,
  server: Pick<ServerRecord, 'credential' | 'allowedEndpoints'> | undefined,
): string | undefined {
  const allowed = server?.allowedEndpoints ?? [];
  // Whoever announces an address must not be able to choose who is shown the secret.
  if (server?.credential && allowed.length === 0)
    return 'a server with a credential takes announced instances only at its allowed_endpoints';
  const problem = endpointProblem(endpoint, allowed);
  return problem === undefined ? undefined : `the endpoint ${problem}`;
}
