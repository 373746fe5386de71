/** Servers without any gateway, each a process of its own: what results through a gateway are compared with. */

import { basename, join } from 'node:path';
import type { ListKind } from '@cruvero/core';
import { storyClient, type StoryClient } from './clients.fixture.ts';
import type { Entry } from './config-file.fixture.ts';
import { connectLegacyDirect } from './legacy-client.fixture.ts';
import { connectModernDirect } from './modern-client.fixture.ts';
import { root } from './program.fixture.ts';
import type { Command } from './sdk-client.fixture.ts';

const bin = join(root, 'node_modules/.bin');

/** The entry's command with the environment that a story gives it. */
export function commandOf(entry: Entry): Command {
  const {
    command,
    args = [],
    env = {},
  } = entry as {
    readonly command: string;
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
  };
  const isOurs = basename(command) === command;
  const given = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: process.env['HOME'] ?? '/', ...env };
  return { command: isOurs ? join(bin, command) : command, args, env: given };
}

/** A client of the entry's command; its end ends the command. */
export async function direct(entry: Entry, kind: 'legacy' | 'modern' = 'legacy'): Promise<StoryClient> {
  const connect = kind === 'legacy' ? connectLegacyDirect : connectModernDirect;
  return storyClient(kind, await connect(commandOf(entry)));
}

/** Names, URIs and templates of everything that a server offers, each kind sorted. */
export type Offer = Readonly<Record<ListKind, readonly string[]>>;

export async function offerOf(client: StoryClient): Promise<Offer> {
  const { capabilities } = client.face();
  const names = async (kind: ListKind, capability: string, key: string): Promise<readonly string[]> => {
    if (capabilities[capability] === undefined) return [];
    return (await client.list(kind)).map((item) => String(item[key])).sort();
  };
  return {
    tools: await names('tools', 'tools', 'name'),
    resources: await names('resources', 'resources', 'uri'),
    resourceTemplates: await names('resourceTemplates', 'resources', 'uriTemplate'),
    prompts: await names('prompts', 'prompts', 'name'),
  };
}
