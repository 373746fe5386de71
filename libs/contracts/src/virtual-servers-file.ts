/** The section `virtualServers` of cruvero.json: name to definition, read entry by entry. */

import type { VirtualDefinition } from '@cruvero/core';
import { virtualDefinition, virtualPutSchema } from './virtual-servers.ts';

export const virtualSection = 'virtualServers';
export const configuredVirtualsMax = 256;

export interface VirtualsRead {
  readonly virtuals: readonly VirtualDefinition[];
  /** Entries that were left out, one sentence each. */
  readonly problems: readonly string[];
}

/** Total. `repeated` is what is wrong with the section's names as text, if anything. */
export function readVirtualServers(section: unknown, repeated: string | undefined): VirtualsRead {
  if (section === undefined) return { virtuals: [], problems: [] };
  if (typeof section !== 'object' || section === null || Array.isArray(section))
    return { virtuals: [], problems: [`${virtualSection} is not an object of names and definitions`] };
  const virtuals: VirtualDefinition[] = [];
  const problems = repeated === undefined ? [] : [`${virtualSection}: ${repeated}; the last one counts`];
  const entries = Object.entries(section);
  for (const [name, value] of entries.slice(0, configuredVirtualsMax)) {
    const read = readEntry(name, value);
    if (typeof read === 'string') problems.push(`${virtualSection}.${name.slice(0, 64)}: ${read}`);
    else virtuals.push(read);
  }
  const beyond = entries.length - configuredVirtualsMax;
  if (beyond > 0)
    problems.push(`${beyond} virtual servers beyond the first ${configuredVirtualsMax} are left out`);
  return { virtuals, problems };
}

/** The definition, or a sentence on what is wrong with it. */
function readEntry(name: string, value: unknown): VirtualDefinition | string {
  const read = virtualPutSchema.safeParse(value);
  if (!read.success) {
    const issues = read.error.issues.slice(0, 4);
    return issues.map((issue) => `${issue.path.join('.') || 'entry'}: ${issue.message}`).join('; ');
  }
  return virtualDefinition(name, read.data) ?? 'its name must match ^[a-z0-9][a-z0-9_-]{0,62}$ (no dots)';
}
