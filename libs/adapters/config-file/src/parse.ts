/** From the text of cruvero.json to configured servers. */

import { readServersFile, type FileEntry } from '@cruvero/contracts';
import type { ConfiguredServer, ServersRead } from '@cruvero/ports';
import { expand, type Environment } from './expand.ts';

/** `unusable` where the text as a whole says nothing; what was known before should then stand. */
export type Parsed = ServersRead | { readonly unusable: string };

export function parseServers(text: string, env: Environment): Parsed {
  const read = readServersFile(text);
  if ('unreadable' in read) return { unusable: read.unreadable };
  const problems = [...read.problems];
  const servers: ConfiguredServer[] = [];
  for (const entry of read.entries) {
    const server = configured(entry, env);
    if ('problem' in server) problems.push(server.problem);
    else servers.push(server);
  }
  // Absent where there are none, so that a file without the section reads as it always did.
  return { servers, ...(read.virtuals.length === 0 ? {} : { virtuals: read.virtuals }), problems };
}

function configured(entry: FileEntry, env: Environment): ConfiguredServer | { readonly problem: string } {
  if (entry.kind === 'url') return { ...entry, origin: 'file' };
  const values: [string, string][] = [];
  for (const [key, value] of entry.env) {
    const expanded = expand(value, env);
    if ('missing' in expanded) {
      return {
        problem: `${entry.name}: env.${key} needs the environment variable ${expanded.missing}, which is not set`,
      };
    }
    values.push([key, expanded.text]);
  }
  return { ...entry, env: Object.fromEntries(values), origin: 'file' };
}
