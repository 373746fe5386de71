/**
 * How the text of one variable becomes a value: pure rules that say what was wrong and what would be right.
 */

import { isIPv6 } from 'node:net';

/**
 * Why a text is not the value that was asked for: the end of a sentence that begins with the variable's name.
 */
export interface Refusal {
  readonly wrong: string;
}

export interface Range {
  readonly min?: number;
  readonly max?: number;
}

/**
 * Where to listen, or whom to reach. An empty `host` means every interface: leave the host out when
 * listening.
 */
export interface HostPort {
  readonly host: string;
  /** 0 asks the system for a free port. */
  readonly port: number;
}

export interface UrlRule {
  /** Without the colon, such as `https`. */
  readonly protocols: readonly string[];
}

const itemsMax = 1_000;

const refuse = (wrong: string): Refusal => ({ wrong });

/** True where a rule refused. */
export function isRefusal(value: unknown): value is Refusal {
  return typeof value === 'object' && value !== null && 'wrong' in value;
}

function within(value: number, range: Range, show: (value: number) => string): number | Refusal {
  if (range.min !== undefined && value < range.min) return refuse(`must be at least ${show(range.min)}`);
  if (range.max !== undefined && value > range.max) return refuse(`must be at most ${show(range.max)}`);
  return value;
}

/** A whole number in decimal digits. */
export function parseInteger(text: string, range: Range): number | Refusal {
  const value = Number(text);
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) {
    return refuse('must be a whole number, such as 10');
  }
  return within(value, range, String);
}

/** A decimal number; no hexadecimal, no Infinity. */
export function parseNumber(text: string, range: Range): number | Refusal {
  const value = Number(text);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) || !Number.isFinite(value)) {
    return refuse('must be a number, such as 0.5');
  }
  return within(value, range, String);
}

const yes = new Set(['true', '1', 'yes', 'on']);
const no = new Set(['false', '0', 'no', 'off']);

/** The usual words for yes and no, in any case. */
export function parseBoolean(text: string): boolean | Refusal {
  const word = text.toLowerCase();
  if (yes.has(word)) return true;
  if (no.has(word)) return false;
  return refuse('must be true or false');
}

const durationUnits: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** `250ms`, `30s`, `5m`, `1h`, `2d`, also in a row as `1h30m`; a plain number is milliseconds. */
export function parseDurationMs(text: string, range: Range): number | Refusal {
  const wrong = refuse('must be a duration, such as 250ms, 30s, 5m, 1h or 2d');
  let ms = 0;
  if (/^\d+$/.test(text)) {
    ms = Number(text);
  } else {
    if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return wrong;
    for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(ms|s|m|h|d)/g)) {
      ms += Number(amount) * (durationUnits.get(unit ?? '') ?? Number.NaN);
    }
  }
  ms = Math.round(ms);
  if (!Number.isSafeInteger(ms)) return wrong;
  return within(ms, range, showDurationMs);
}

const byteUnits: ReadonlyMap<string, number> = new Map([
  ['b', 1],
  ['kb', 1e3],
  ['mb', 1e6],
  ['gb', 1e9],
  ['tb', 1e12],
  ['kib', 2 ** 10],
  ['mib', 2 ** 20],
  ['gib', 2 ** 30],
  ['tib', 2 ** 40],
]);

/** `512KiB`, `4MiB`, `1GB`; a plain number is bytes. KB, MB, … are thousands, KiB, MiB, … are 1024s. */
export function parseBytes(text: string, range: Range): number | Refusal {
  const match = /^(\d+(?:\.\d+)?) ?([kmgt]?i?b)?$/i.exec(text);
  const factor = byteUnits.get((match?.[2] ?? 'b').toLowerCase());
  const bytes = Number(match?.[1]) * (factor ?? Number.NaN);
  if (!Number.isSafeInteger(bytes))
    return refuse('must be a size, such as 512KiB, 4MiB or a number of bytes');
  return within(bytes, range, showBytes);
}

/** A TCP port; 0 asks the system for a free one. */
export function parsePort(text: string, range: Range): number | Refusal {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) return refuse('must be a port from 0 to 65535');
  return within(port, range, String);
}

const hostName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/i;

function isHostName(text: string): boolean {
  if (!hostName.test(text)) return false;
  // what looks like an IPv4 address must be one
  return (
    !/^[\d.]+$/.test(text) ||
    (text.split('.').length === 4 && text.split('.').every((part) => Number(part) <= 255))
  );
}

/** `127.0.0.1:8080`, `name:8080`, `[::1]:8080`, or `:8080` for every interface. */
export function parseHostPort(text: string): HostPort | Refusal {
  const right = 'must be host:port, such as 127.0.0.1:8080, [::1]:8080 or :8080';
  if (/^\d{1,5}$/.test(text)) return refuse(`${right}; for every interface write :${text}`);
  if (isIPv6(text)) return refuse(`${right}; an IPv6 address stands in brackets`);
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  if (!match) return refuse(right);
  const [, bracketed, named, portText] = match;
  const port = parsePort(portText ?? '', {});
  if (isRefusal(port)) return refuse(`${right}; the port goes from 0 to 65535`);
  if (bracketed !== undefined) {
    return isIPv6(bracketed) && !bracketed.includes('%') ? { host: bracketed, port } : refuse(right);
  }
  if (named === undefined || (named !== '' && !isHostName(named))) return refuse(right);
  return { host: named, port };
}

/** An absolute URL with a host and one of the protocols; given back as it was written. */
export function parseUrl(text: string, rule: UrlRule): string | Refusal {
  const right = `must be a URL such as ${rule.protocols[0] ?? 'http'}://host:port`;
  if (/\s/.test(text) || !URL.canParse(text)) return refuse(right);
  const url = new URL(text);
  if (!rule.protocols.includes(url.protocol.slice(0, -1))) {
    return refuse(`must be a URL that begins with ${rule.protocols.map((p) => `${p}://`).join(' or ')}`);
  }
  return url.hostname === '' ? refuse(right) : text;
}

/** One of the words, as written there. */
export function parseOneOf<const T extends string>(text: string, words: readonly T[]): T | Refusal {
  return words.find((word) => word === text) ?? refuse(`must be one of ${words.join(', ')}`);
}

/**
 * Comma-separated, trimmed, without the empty ones; `refuseItem` says what is wrong with an item, if anything
 * is.
 */
export function parseList(
  text: string,
  refuseItem?: (item: string) => string | undefined,
): readonly string[] | Refusal {
  const items = text.split(',', itemsMax + 1).map((item) => item.trim());
  if (items.length > itemsMax) return refuse(`must have at most ${itemsMax} items`);
  const kept = items.filter((item) => item !== '');
  for (const [at, item] of kept.entries()) {
    const wrong = refuseItem?.(item);
    if (wrong !== undefined) return refuse(`has a bad item ${at + 1}: it ${wrong}`);
  }
  return kept;
}

/** The shortest exact spelling, `90s` for 90,000. */
export function showDurationMs(ms: number): string {
  for (const [unit, factor] of [...durationUnits].reverse()) {
    if (ms !== 0 && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return ms === 0 ? '0s' : `${ms}ms`;
}

/** The shortest exact spelling in 1024s, `4MiB` for 4,194,304; plain digits where there is none. */
export function showBytes(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const factor = byteUnits.get(unit.toLowerCase()) ?? 1;
    if (bytes !== 0 && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** As `parseHostPort` reads it. */
export function showHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
