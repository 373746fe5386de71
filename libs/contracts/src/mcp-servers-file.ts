/** `cruvero.json`: the `mcpServers` shape that every MCP client's configuration has, read entry by entry. */

import {
  isJsonProblem,
  isObjectAt,
  objectMembers,
  toServerName,
  wholeObject,
  wholeValue,
  type CredentialEnvironment,
  type CredentialUse,
  type ServerName,
  type VirtualDefinition,
} from '@cruvero/core';
import { z } from 'zod';
import { readFileCredential, readFileEnvironment } from './credential-use.ts';
import { readVirtualServers, virtualSection } from './virtual-servers-file.ts';

export const serversFileBytesMax = 1 << 20;
export const configuredServersMax = 256;
export const instancesMax = 32;
/** More problems than a person reads are counted, not listed. */
const problemsMax = 50;

const noNul = (text: string): boolean => !text.includes('\0');
const argument = z.string().max(32_768).refine(noNul, 'must hold no NUL');
const variableName = z.string().regex(/^[^=\0]{1,256}$/, 'must be a name of 1 to 256 characters without "="');

const commandEntrySchema = z.looseObject({
  type: z.literal('stdio', 'is "stdio" for an entry with a command').optional(),
  command: argument.min(1).max(4_096),
  args: z.array(argument).max(256).default([]),
  cwd: argument.min(1).max(4_096).optional(),
  instances: z.int().min(1).max(instancesMax).default(1),
});

const urlEntrySchema = z.looseObject({
  type: z
    .enum(['http', 'streamable-http', 'streamableHttp', 'sse'], 'is "http", "streamable-http" or "sse"')
    .optional(),
  url: z.string().max(2_048),
});

/** An entry as written, its values not yet expanded. */
export type FileEntry =
  | {
      readonly kind: 'command';
      readonly name: ServerName;
      readonly command: string;
      readonly args: readonly string[];
      readonly env: ReadonlyMap<string, string>;
      readonly cwd?: string;
      readonly instances: number;
      readonly credential?: CredentialEnvironment;
    }
  | {
      readonly kind: 'url';
      readonly name: ServerName;
      readonly transport: 'http' | 'sse';
      readonly url: string;
      readonly credential?: CredentialUse;
    };

export type FileRead =
  | {
      readonly entries: readonly FileEntry[];
      readonly virtuals: readonly VirtualDefinition[];
      readonly problems: readonly string[];
    }
  /** The text as a whole is of no use; nothing can be said about its entries. */
  | { readonly unreadable: string };

/** Total: every text gives entries and problems, or one sentence about the whole. */
export function readServersFile(text: string): FileRead {
  const whole = wholeValue(text);
  if (isJsonProblem(whole))
    return { unreadable: `is not valid JSON: ${whole.problem} (${place(text, whole.at)})` };
  const root: unknown = JSON.parse(text);
  if (!isObject(root)) return { unreadable: 'is not a JSON object; it should be {"mcpServers": {…}}' };
  const [servers, virtuals] = [own(root, 'mcpServers'), own(root, virtualSection)];
  if (servers === undefined && virtuals === undefined) {
    const hint = own(root, 'servers') === undefined ? '' : '; "servers" should be called "mcpServers"';
    return { unreadable: `has no "mcpServers"${hint}` };
  }
  if (servers !== undefined && !isObject(servers))
    return { unreadable: 'has an "mcpServers" that is not an object' };
  const real = readEntries(servers ?? {}, repeatedName(text, 'mcpServers'));
  const virtual = readVirtualServers(virtuals, repeatedName(text, virtualSection));
  return {
    entries: real.entries,
    virtuals: virtual.virtuals,
    problems: bounded([...real.problems, ...virtual.problems]),
  };
}

/** JSON.parse takes the last of two members of one name without a word. */
function repeatedName(text: string, section: string): string | undefined {
  const root = wholeObject(text);
  if (isJsonProblem(root)) return root.problem;
  const span = root.get(section);
  const entries = span && isObjectAt(text, span) ? objectMembers(text, span.start) : undefined;
  return entries && isJsonProblem(entries) ? entries.problem : undefined;
}

interface EntriesRead {
  readonly entries: readonly FileEntry[];
  readonly problems: readonly string[];
}

function readEntries(servers: object, repeated: string | undefined): EntriesRead {
  const entries = new Map<ServerName, { readonly label: string; readonly entry: FileEntry }>();
  const problems = repeated === undefined ? [] : [`${repeated}; the last one counts`];
  let beyond = 0;
  for (const [label, value] of Object.entries(servers)) {
    if (entries.size >= configuredServersMax) {
      beyond += 1;
      continue;
    }
    const entry = readEntry(label, value);
    if (entry === undefined) continue;
    if (typeof entry === 'string') {
      problems.push(`${shown(label)}: ${entry}`);
      continue;
    }
    const taken = entries.get(entry.name);
    if (taken)
      problems.push(
        `${shown(label)}: its name ${entry.name} is taken by ${shown(taken.label)}; give it another`,
      );
    else entries.set(entry.name, { label, entry });
  }
  if (beyond > 0) problems.push(`${beyond} servers beyond the first ${configuredServersMax} are left out`);
  return { entries: [...entries.values()].map(({ entry }) => entry), problems };
}

/** The entry, a sentence on what is wrong with it, or undefined where it is switched off. */
function readEntry(label: string, value: unknown): FileEntry | string | undefined {
  const name = toServerName(label);
  if (name === undefined) return 'nothing of this name can be a server name; use letters and digits';
  if (!isObject(value)) return 'is not an object';
  if (own(value, 'disabled') === true) return undefined;
  const url = own(value, 'url') ?? own(value, 'serverUrl') ?? own(value, 'httpUrl');
  const command = own(value, 'command');
  if (command !== undefined && url !== undefined) return 'has a command and a URL; it can have one of them';
  if (command !== undefined) return readCommand(name, value);
  if (url !== undefined) return readUrl(name, value, url);
  return 'needs "command" or "url"';
}

function readCommand(name: ServerName, value: object): FileEntry | string {
  const { env: rawEnv, ...rest } = value as { readonly env?: unknown };
  // A record schema would lose a variable called __proto__, so the names are read one by one.
  const env = readEnv(rawEnv);
  if (typeof env === 'string') return env;
  const read = commandEntrySchema.safeParse(rest);
  if (!read.success) return sentence(read.error);
  const written = own(value, 'credential');
  const credential = written === undefined ? undefined : readFileEnvironment(written);
  if (typeof credential === 'string') return credential;
  const { command, args, cwd, instances } = read.data;
  return {
    kind: 'command',
    name,
    command,
    args,
    env,
    ...(cwd === undefined ? {} : { cwd }),
    instances,
    ...(credential === undefined ? {} : { credential }),
  };
}

function readEnv(value: unknown): ReadonlyMap<string, string> | string {
  const env = new Map<string, string>();
  if (value === undefined) return env;
  if (!isObject(value)) return 'env: is not an object';
  const pairs = Object.entries(value);
  if (pairs.length > 256) return 'env: has more than 256 variables';
  for (const [key, raw] of pairs) {
    const named = variableName.safeParse(key);
    if (!named.success) return `env: ${shown(key)} ${named.error.issues[0]?.message ?? 'is no name'}`;
    const read = argument.safeParse(raw);
    // Never the value: it may be a secret.
    if (!read.success)
      return `env: the value of ${shown(key)} must be a string of at most 32,768 characters without NUL`;
    env.set(key, read.data);
  }
  return env;
}

function readUrl(name: ServerName, value: object, rawUrl: unknown): FileEntry | string {
  if (own(value, 'headers') !== undefined) {
    return 'has "headers"; credentials are not kept in this file, they are given by reference: "credential": {"secretRef": "…"}';
  }
  const written = own(value, 'credential');
  const credential = written === undefined ? undefined : readFileCredential(written);
  if (typeof credential === 'string') return credential;
  const read = urlEntrySchema.safeParse({ ...value, url: rawUrl });
  if (!read.success) return sentence(read.error);
  const url = URL.canParse(read.data.url) ? new URL(read.data.url) : undefined;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    return 'url: is not an http or https URL';
  if (url.username !== '' || url.password !== '')
    return 'url: holds a user or password; credentials do not belong in a URL';
  url.hash = '';
  const transport = read.data.type === 'sse' ? 'sse' : 'http';
  return { kind: 'url', name, transport, url: url.href, ...(credential === undefined ? {} : { credential }) };
}

/** Paths and reasons, never values. */
function sentence(error: z.ZodError): string {
  return error.issues
    .slice(0, 4)
    .map((issue) => `${issue.path.join('.') || 'entry'}: ${issue.message}`)
    .join('; ');
}

function bounded(problems: readonly string[]): readonly string[] {
  if (problems.length <= problemsMax) return problems;
  return [...problems.slice(0, problemsMax), `and ${problems.length - problemsMax} more problems`];
}

function place(text: string, at: number): string {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  return `line ${line}, column ${at - before.lastIndexOf('\n')}`;
}

const shown = (label: string): string => JSON.stringify(label.length > 64 ? `${label.slice(0, 64)}…` : label);

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An own member: what a prototype has is not in the file. */
function own(value: object, name: string): unknown {
  return Object.hasOwn(value, name) ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
