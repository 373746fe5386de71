/** Where Redis (or what speaks its protocol) is; what may be shown of that holds no credential. */

/** A credential that has to be asked for: printing or serialising its holder does not show it. */
export interface SecretText {
  reveal(): string;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  readonly encrypted: boolean;
  readonly user?: string;
  readonly password?: SecretText;
  /** For logs and messages: no credential in it. */
  readonly shown: string;
}

export interface AddressProblem {
  readonly problem: string;
}

/**
 * Reads `redis://[[user]:password@]host[:port][/database]`, `rediss://…` for TLS, or a bare `host:port`. A problem never
 * repeats the URL: it may hold a password.
 */
export function readRedisUrl(text: string): RedisAddress | AddressProblem {
  const whole = text.includes('://') ? text : `redis://${text}`;
  if (!URL.canParse(whole))
    return { problem: 'a Redis URL looks like redis://host:6379; this one cannot be read' };
  const url = new URL(whole);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') {
    return { problem: `a Redis URL begins with redis:// or rediss://, not with ${url.protocol}//` };
  }
  if (url.hostname === '') return { problem: 'a Redis URL names a host, as in redis://host:6379' };
  const port = Number(url.port || '6379');
  if (port === 0) return { problem: 'a Redis URL names a port from 1 to 65535' };
  const path = /^\/?(\d{1,5})?$/.exec(url.pathname);
  if (!path) return { problem: 'a Redis URL ends with the number of a database or after the port' };
  const database = Number(path[1] ?? '0');
  const password = decode(url.password);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    database,
    encrypted: url.protocol === 'rediss:',
    ...(url.username === '' ? {} : { user: decode(url.username) }),
    ...(password === '' ? {} : { password: { reveal: () => password } }),
    shown: `${url.protocol}//${url.hostname}:${port}/${database}`,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
