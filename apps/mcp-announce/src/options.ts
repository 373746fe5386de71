/** What the command line asks for, checked; every problem is told at once. */

import { readNatsUrl } from '@cruvero/adapter-nats';
import {
  isRefusal,
  parseDurationMs,
  parseHostPort,
  Secret,
  type Env,
  type HostPort,
  type Refusal,
} from '@cruvero/chassis';
import { defaultSubjectPrefix } from '@cruvero/contracts';
import {
  readInstanceId,
  readServerName,
  readTenantId,
  type InstanceId,
  type ServerName,
  type TenantId,
} from '@cruvero/core';
import { ownChildrenName, ownChildrenRange } from '@cruvero/service-stdio-bridge';

/** Flags as they were written, before anything is checked. */
export interface Flags {
  readonly server?: string;
  readonly natsUrl?: string;
  readonly gateway?: string;
  readonly transport?: string;
  readonly endpoint?: string;
  readonly heartbeat?: string;
  readonly prefix?: string;
  readonly instanceId?: string;
  readonly tenant?: string;
  readonly versionLabel?: string;
  readonly tag?: readonly string[];
  readonly weight?: string;
  readonly bind?: string;
  readonly publicUrl?: string;
  readonly once?: boolean;
}

export type Target =
  | { readonly kind: 'url'; readonly transport: 'http' | 'sse'; readonly endpoint: string }
  | {
      readonly kind: 'command';
      readonly command: string;
      readonly args: readonly string[];
      readonly bind: HostPort;
    };

/** NATS, or the gateway's own address where there is no NATS. */
export type BusChoice =
  | { readonly kind: 'nats'; readonly url: Secret }
  | { readonly kind: 'gateway'; readonly url: string; readonly key: Secret };

export interface AnnounceOptions {
  readonly server: ServerName;
  readonly target: Target;
  readonly bus: BusChoice;
  readonly prefix: string;
  readonly heartbeatMs: number;
  /** Undefined: made from this machine's name and the endpoint, so that it is the same one again after a restart. */
  readonly instanceId: InstanceId | undefined;
  readonly tenantId: TenantId | undefined;
  readonly versionLabel: string | undefined;
  readonly tags: readonly string[];
  readonly weight: number | undefined;
  /** How gateways reach it, where that is not the endpoint itself. */
  readonly publicUrl: string | undefined;
  readonly once: boolean;
  /** Undefined: as the bridge has it. */
  readonly ownChildrenMax: number | undefined;
}

const transports = ['stdio', 'http', 'sse'] as const;
const heartbeatRange = { min: 100, max: 86_400_000 };

/** The options, or one sentence for each problem. `command` is what followed `--`. */
export function readOptions(
  flags: Flags,
  command: readonly string[],
  env: Env,
): AnnounceOptions | readonly string[] {
  const check = new Check();
  const server = check.server(flags.server);
  const target = readTarget(flags, command, check);
  const options = {
    bus: readBus(flags, env, check),
    prefix: check.prefix(flags.prefix ?? set(env['CRUVERO_EVENTS_SUBJECT_PREFIX']) ?? defaultSubjectPrefix),
    heartbeatMs: check.heartbeat(flags.heartbeat ?? set(env['CRUVERO_MCP_HEARTBEAT_INTERVAL']) ?? '30s'),
    instanceId: check.optional(
      '--instance-id',
      flags.instanceId,
      readInstanceId,
      'must be 1 to 128 of A-Z a-z 0-9 . _ : -',
    ),
    tenantId: check.optional('--tenant', flags.tenant, readTenantId, 'must be 1 to 63 of A-Z a-z 0-9 _ -'),
    versionLabel: check.optional(
      '--version-label',
      flags.versionLabel,
      shortText,
      'must have 1 to 128 characters',
    ),
    tags: check.tags(flags.tag ?? []),
    weight: check.optional('--weight', flags.weight, readWeight, 'must be a whole number from 1 to 1000'),
    publicUrl: flags.publicUrl === undefined ? undefined : check.url('--public-url', flags.publicUrl),
    once: flags.once === true,
    ownChildrenMax: check.optional(
      ownChildrenName,
      set(env[ownChildrenName]),
      readOwnChildren,
      `must be a whole number from ${ownChildrenRange.min} to ${ownChildrenRange.max}`,
    ),
  };
  if (check.problems.length > 0 || !server || !target) return check.problems;
  return { server, target, ...options };
}

export function isProblemList(read: AnnounceOptions | readonly string[]): read is readonly string[] {
  return Array.isArray(read);
}

function set(text: string | undefined): string | undefined {
  return text === undefined || text.trim() === '' ? undefined : text.trim();
}

/** NATS where a NATS address is given; otherwise the gateway where one is given; otherwise NATS on this machine. */
function readBus(flags: Flags, env: Env, check: Check): BusChoice {
  if (flags.natsUrl !== undefined && flags.gateway !== undefined) {
    check.refuse('--gateway', 'stands in the place of --nats-url; give one of them');
  }
  const gateway =
    flags.gateway ?? (flags.natsUrl === undefined ? set(env['CRUVERO_MCP_GATEWAY_URL']) : undefined);
  const natsUrl = flags.natsUrl ?? set(env['CRUVERO_NATS_URL']);
  if (gateway === undefined || (flags.gateway === undefined && natsUrl !== undefined)) {
    return { kind: 'nats', url: check.natsUrl(natsUrl ?? 'nats://localhost:4222') };
  }
  const key = set(env['CRUVERO_ADMIN_API_KEY']);
  if (key === undefined) {
    check.refuse(
      '--gateway',
      'needs an API key with the scope admin in CRUVERO_ADMIN_API_KEY (not on the command line)',
    );
  }
  return { kind: 'gateway', url: check.url('--gateway', gateway), key: new Secret(key ?? '') };
}

/** Without `--transport`: http where there is an endpoint, stdio where a command follows `--`. */
function readTarget(flags: Flags, [command, ...args]: readonly string[], check: Check): Target | undefined {
  const { endpoint } = flags;
  const transport = flags.transport ?? (command !== undefined && endpoint === undefined ? 'stdio' : 'http');
  if (transport === 'stdio') return readCommand(flags, command, args, check);
  if (transport !== 'http' && transport !== 'sse') {
    return check.refuse(
      '--transport',
      `must be one of ${transports.join(', ')}; it is ${JSON.stringify(transport)}`,
    );
  }
  if (command !== undefined) {
    return check.refuse(
      `--transport ${transport}`,
      'announces a server that runs already; leave out -- and the command behind it',
    );
  }
  if (flags.bind !== undefined) check.refuse('--bind', 'is for --transport stdio only');
  if (endpoint === undefined || endpoint === '') {
    if (flags.transport !== undefined)
      return check.refuse('--endpoint', `is required for --transport ${transport}`);
    return check.refuse('--endpoint', 'is required, or a command to run after --');
  }
  return { kind: 'url', transport, endpoint: check.url('--endpoint', endpoint) };
}

function readCommand(
  flags: Flags,
  command: string | undefined,
  args: readonly string[],
  check: Check,
): Target | undefined {
  if (flags.endpoint !== undefined)
    check.refuse('--endpoint', 'is for --transport http and sse; stdio runs the command after --');
  if (flags.once === true)
    check.refuse('--once', 'is not for --transport stdio: the command would end with this program');
  const bind = check.hostPort('--bind', flags.bind ?? '127.0.0.1:0');
  if (command === undefined || command === '')
    return check.refuse('A command', 'must follow -- for --transport stdio');
  if (/^(|0\.0\.0\.0|::)$/.test(bind.host) && flags.publicUrl === undefined) {
    check.refuse(
      '--public-url',
      'is required when --bind is every interface, since others need an address to call',
    );
  }
  return { kind: 'command', command, args, bind };
}

const shortText = (text: string): string | undefined =>
  text.length >= 1 && text.length <= 128 ? text : undefined;

function readOwnChildren(text: string): number | undefined {
  const max = Number(text);
  return /^\d{1,4}$/.test(text) && max >= ownChildrenRange.min && max <= ownChildrenRange.max
    ? max
    : undefined;
}

function readWeight(text: string): number | undefined {
  const weight = Number(text);
  return /^\d{1,4}$/.test(text) && weight >= 1 && weight <= 1_000 ? weight : undefined;
}

/** Gathers problems; what it gives back for a wrong value is never used. */
class Check {
  readonly problems: string[] = [];

  refuse(name: string, wrong: string): undefined {
    this.problems.push(`${name} ${wrong}.`);
    return undefined;
  }

  optional<T>(
    flag: string,
    text: string | undefined,
    read: (text: string) => T | undefined,
    wrong: string,
  ): T | undefined {
    const value = text === undefined ? undefined : read(text);
    if (text !== undefined && value === undefined) this.refuse(flag, wrong);
    return value;
  }

  #taken<T>(flag: string, value: T | Refusal, standIn: T): T {
    if (!isRefusal(value)) return value;
    this.refuse(flag, value.wrong);
    return standIn;
  }

  server(text: string | undefined): ServerName | undefined {
    if (text === undefined || text === '')
      return this.refuse('--server', 'is required: the name under which tools appear');
    const wrong = 'must be 1 to 63 of a-z 0-9 _ -, beginning with a letter or digit (no dots)';
    return readServerName(text) ?? this.refuse('--server', wrong);
  }

  natsUrl(text: string): Secret {
    const address = readNatsUrl(text);
    if ('problem' in address) this.refuse('--nats-url', `(or CRUVERO_NATS_URL) is wrong: ${address.problem}`);
    return new Secret(text);
  }

  prefix(text: string): string {
    if (!/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(text)) {
      this.refuse('--prefix', 'must be words of A-Z a-z 0-9 _ - with dots between them, such as cruvero');
    }
    return text;
  }

  heartbeat(text: string): number {
    const read = parseDurationMs(text, {});
    const ms = this.#taken('--heartbeat', read, 0);
    if (isRefusal(read)) return ms;
    if (ms <= 0) this.refuse('--heartbeat', 'must be above 0, such as 30s');
    else this.#taken('--heartbeat', parseDurationMs(text, heartbeatRange), 0);
    return ms;
  }

  tags(tags: readonly string[]): readonly string[] {
    if (tags.length > 64) this.refuse('--tag', 'may be given 64 times at most');
    if (!tags.every(shortText)) this.refuse('--tag', 'must have 1 to 128 characters');
    return tags;
  }

  hostPort(flag: string, text: string): HostPort {
    return this.#taken(flag, parseHostPort(text), { host: '127.0.0.1', port: 0 });
  }

  /** Credentials do not travel in announcements, so they may not stand in a URL. */
  url(flag: string, text: string): string {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || !/^https?:$/.test(url.protocol) || text.length > 2_048) {
      this.refuse(flag, 'must be a URL such as http://localhost:8089/mcp');
    } else if (url.username !== '' || url.password !== '') {
      this.refuse(
        flag,
        'must not hold a user name or password: announcements are read by everybody on the bus',
      );
    }
    return text;
  }
}
