/** Where a NATS server is and who we are to it; what may be shown of that holds no credential. */

/** A credential that has to be asked for: printing or serialising its holder does not show it. */
export interface SecretText {
  reveal(): string;
}

export interface NatsAddress {
  /** `host:port`, one or more. */
  readonly servers: readonly string[];
  /** `tls://` asks for an encrypted connection and refuses any other. */
  readonly encrypted: boolean;
  readonly user?: SecretText;
  readonly password?: SecretText;
  readonly token?: SecretText;
  /** For logs and messages: no credential in it. */
  readonly shown: string;
}

export interface AddressProblem {
  readonly problem: string;
}

const serversMax = 16;
const secret = (text: string): SecretText => ({ reveal: () => text });

/**
 * Reads `nats://[user:password@|token@]host[:port]`, several with commas; also `tls://` and a bare `host:port`.
 * A problem never repeats the URL: it may hold a password.
 */
export function readNatsUrl(text: string): NatsAddress | AddressProblem {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length > serversMax) return { problem: `a NATS URL names at most ${serversMax} servers` };
  const urls = parts.map(parsePart);
  const bad = urls.find((url) => typeof url === 'string');
  if (typeof bad === 'string') return { problem: bad };
  const good = urls.filter((url) => url instanceof URL);
  const servers = good.map((url) => `${url.hostname}:${url.port || '4222'}`);
  const encrypted = good.some((url) => url.protocol === 'tls:');
  return {
    servers,
    encrypted,
    shown: servers.map((server) => `${encrypted ? 'tls' : 'nats'}://${server}`).join(','),
    ...credentialsOf(good.find((url) => url.username !== '')),
  };
}

function parsePart(part: string): URL | string {
  const whole = part.includes('://') ? part : `nats://${part}`;
  if (!URL.canParse(whole)) return 'a NATS URL looks like nats://host:4222; this one cannot be read';
  const url = new URL(whole);
  if (url.protocol !== 'nats:' && url.protocol !== 'tls:') {
    return `a NATS URL begins with nats:// or tls://, not with ${url.protocol}//`;
  }
  if (url.hostname === '') return 'a NATS URL names a host, as in nats://host:4222';
  if (url.port === '0') return 'a NATS URL names a port from 1 to 65535';
  if (url.pathname !== '' && url.pathname !== '/') return 'a NATS URL ends after the port: nats://host:4222';
  return url;
}

/** A name without a password is a token, as with the NATS command line. */
function credentialsOf(url: URL | undefined): Partial<Pick<NatsAddress, 'user' | 'password' | 'token'>> {
  if (!url) return {};
  const name = secret(decode(url.username));
  return url.password === '' ? { token: name } : { user: name, password: secret(decode(url.password)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
