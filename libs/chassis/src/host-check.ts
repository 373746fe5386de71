/**
 * Whether the Host and Origin headers name this listener: what keeps a web page of somebody else from calling
 * it.
 */

export interface AllowedNames {
  /**
   * For hosts: `name` at any port, or `name:port` exactly. For origins: `https://name[:port]` exactly. Case
   * does not matter; there are no wildcards.
   */
  readonly names: readonly string[];
  /**
   * True only where the listener is bound to loopback: then localhost, 127.0.0.1 and [::1] are its names too.
   */
  readonly loopback: boolean;
  /**
   * The address that this connection came in on (`socket.localAddress`). A page cannot make a browser send a
   * bare address as Host unless it was loaded from that address, so probes and scrapes by address may be let
   * in.
   */
  readonly ownAddress?: string;
}

const loopbackNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

const authority = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?)(?::(\d{1,5}))?$/;
const origin = /^([a-z][a-z0-9+.-]{0,30}):\/\/(.{1,262})$/;
const defaultPorts: ReadonlyMap<string, string> = new Map([
  ['http', '80'],
  ['https', '443'],
]);

interface Authority {
  readonly host: string;
  readonly port: string | undefined;
}

/** Undefined for whatever is not plainly one host and at most one port. */
function parseAuthority(text: string): Authority | undefined {
  const [, host, port] = authority.exec(text.toLowerCase()) ?? [];
  if (host === undefined || host.includes('..')) return undefined;
  if (port !== undefined && Number(port) > 65_535) return undefined;
  return { host, port: port === undefined ? undefined : String(Number(port)) };
}

/** A listener that is bound to one of these can be reached from this machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** True where the header names this listener. No Host at all is refused: HTTP/1.1 demands one. */
export function hostAllowed(header: string | undefined, allowed: AllowedNames): boolean {
  const asked = header === undefined ? undefined : parseAuthority(header);
  if (!asked) return false;
  if (allowed.loopback && loopbackNames.has(asked.host)) return true;
  if (allowed.ownAddress !== undefined && asked.host === bareAddress(allowed.ownAddress)) return true;
  return allowed.names.some((name) => {
    const one = parseAuthority(name);
    return (
      one !== undefined && one.host === asked.host && (one.port === undefined || one.port === asked.port)
    );
  });
}

/** As it stands in a Host header; an IPv4 address that came over an IPv6 socket is shown as IPv4. */
function bareAddress(address: string): string {
  const bare = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  return bare.includes(':') ? `[${bare}]` : bare;
}

interface Origin extends Authority {
  readonly scheme: string;
}

function parseOrigin(text: string): Origin | undefined {
  const [, scheme, rest] = origin.exec(text.toLowerCase()) ?? [];
  const named = rest === undefined ? undefined : parseAuthority(rest);
  if (scheme === undefined || !named) return undefined;
  // browsers leave the default port out
  return named.port === defaultPorts.get(scheme)
    ? { scheme, host: named.host, port: undefined }
    : { scheme, ...named };
}

/**
 * True where the page may call, and where there is no Origin: only browsers send one. `null`, the origin of
 * sandboxed frames and local files, is refused.
 */
export function originAllowed(
  header: string | undefined,
  allowed: Pick<AllowedNames, 'names' | 'loopback'>,
): boolean {
  if (header === undefined) return true;
  const asked = parseOrigin(header);
  if (!asked) return false;
  if (allowed.loopback && defaultPorts.has(asked.scheme) && loopbackNames.has(asked.host)) return true;
  return allowed.names.some((name) => {
    const one = parseOrigin(name);
    return (
      one !== undefined && one.scheme === asked.scheme && one.host === asked.host && one.port === asked.port
    );
  });
}

/**
 * The header's value; where it was sent more than once, all of them, which then name no host. Node itself
 * keeps the first and hides the others.
 */
export function soleHeader(rawHeaders: readonly string[], name: string): string | undefined {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const raw = rawHeaders[at];
    // Most names differ in length already; this runs for every request.
    if (raw?.length === name.length && raw.toLowerCase() === name) values.push(rawHeaders[at + 1] ?? '');
  }
  return values.length === 0 ? undefined : values.join(', ');
}

/** For config: what is wrong with an entry of a list of hosts, as `must …`. */
export function refuseHostEntry(entry: string): string | undefined {
  return parseAuthority(entry)
    ? undefined
    : 'must be a host or host:port, such as mcp.example.com or mcp.example.com:8443';
}

/** For config: what is wrong with an entry of a list of origins, as `must …`. */
export function refuseOriginEntry(entry: string): string | undefined {
  return parseOrigin(entry)
    ? undefined
    : 'must be an origin, such as https://app.example.com, without a path';
}
