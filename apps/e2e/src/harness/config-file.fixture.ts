/** A story's own cruvero.json, and entries for it. */

import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stdioLegacy, stdioModern, type StdioFixture } from '@cruvero/testkit';
import { root } from './program.fixture.ts';

export type Entry = Readonly<Record<string, unknown>>;
export type Entries = Readonly<Record<string, Entry>>;

export interface ConfigFile {
  readonly path: string;
  /** Replaces all entries. */
  servers(entries: Entries): Promise<void>;
  /** Replaces the whole file, as it is. */
  text(text: string): Promise<void>;
}

/** Written beside and renamed, as editors do, so that nobody ever reads half a file. */
export function configFile(folder: string): ConfigFile {
  const path = join(folder, 'cruvero.json');
  const text = async (written: string): Promise<void> => {
    await writeFile(`${path}.new`, written);
    await rename(`${path}.new`, path);
  };
  return { path, text, servers: (entries) => text(JSON.stringify({ mcpServers: entries }, undefined, 2)) };
}

/** The four reference servers, as the repository's own cruvero.json has them, with the memory in the story's folder. */
export function referenceServers(folder: string): Entries {
  return {
    everything: { command: 'mcp-server-everything', args: ['stdio'] },
    filesystem: { command: 'mcp-server-filesystem', args: [join(root, 'examples/files')] },
    memory: { command: 'mcp-server-memory', env: { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') } },
    'sequential-thinking': { command: 'mcp-server-sequential-thinking' },
  };
}

/** Small fixture servers: they start in a third of the time of a reference server. */
export const legacyCommand = (...args: readonly string[]): Entry => entryOf(stdioLegacy(...args));
export const modernCommand = (...args: readonly string[]): Entry => entryOf(stdioModern(...args));

const entryOf = ({ command, args }: StdioFixture): Entry => ({ command, args });
