/** CRUVERO_MCP_SERVERS and CRUVERO_MCP_ENV_<NAME> as a ServersSource (requirements, "Static servers"). */

import { configuredServersMax } from '@cruvero/contracts';
import { toServerName, type ServerName } from '@cruvero/core';
import type { ConfiguredServer, ServersRead, ServersSource } from '@cruvero/ports';
import type { Environment } from './expand.ts';

const serversVariable = 'CRUVERO_MCP_SERVERS';
const envVariablePrefix = 'CRUVERO_MCP_ENV_';

/** The environment of a process does not change, so there is never any news. */
export function serversFromEnv(env: Environment): ServersSource {
  const read = readEnvironment(env);
  return { read: async () => read, watch: () => ({ close: () => undefined }) };
}

/** `name=cmd|arg1|arg2;;name2=cmd|arg1` */
export function readEnvironment(env: Environment): ServersRead {
  const servers = new Map<ServerName, ConfiguredServer>();
  const problems: string[] = [];
  for (const [index, part] of (env[serversVariable] ?? '').split(';;').entries()) {
    if (part.trim() === '') continue;
    const read = readPart(part, env);
    if (typeof read === 'string') problems.push(`${serversVariable}, entry ${index + 1}: ${read}`);
    else if (servers.has(read.name)) problems.push(`${serversVariable}: the name ${read.name} stands twice`);
    else if (servers.size >= configuredServersMax) {
      problems.push(`${serversVariable}: more than ${configuredServersMax} servers; the rest is left out`);
      break;
    } else servers.set(read.name, read);
  }
  const known = new Set([...servers.keys()].map(variableOf));
  for (const name of Object.keys(env)) {
    if (!name.startsWith(envVariablePrefix) || known.has(name)) continue;
    if (!problems.some((problem) => problem.includes(name))) {
      problems.push(`${name} belongs to no server of ${serversVariable}`);
    }
  }
  return { servers: [...servers.values()], problems };
}

function variableOf(name: ServerName): string {
  return `${envVariablePrefix}${name.toUpperCase().replaceAll('-', '_')}`;
}

function readPart(part: string, env: Environment): Extract<ConfiguredServer, { kind: 'command' }> | string {
  const equals = part.indexOf('=');
  if (equals < 1) return 'should read name=command|argument|argument';
  const name = toServerName(part.slice(0, equals).trim());
  if (name === undefined) return 'its name has no letter or digit';
  const [command = '', ...args] = part.slice(equals + 1).split('|');
  if (command.trim() === '') return `${name} has no command`;
  const values = readPairs(env[variableOf(name)] ?? '');
  if (values === undefined) return `${variableOf(name)} should read KEY=value,KEY2=value2`;
  return { kind: 'command', name, command: command.trim(), args, env: values, instances: 1, origin: 'env' };
}

function readPairs(text: string): Readonly<Record<string, string>> | undefined {
  const pairs: [string, string][] = [];
  for (const pair of text.split(',')) {
    if (pair.trim() === '') continue;
    const equals = pair.indexOf('=');
    if (equals < 1) return undefined;
    pairs.push([pair.slice(0, equals).trim(), pair.slice(equals + 1)]);
  }
  return Object.fromEntries(pairs);
}
