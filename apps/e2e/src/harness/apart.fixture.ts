/** The layout apart: a process a service over real NATS, PostgreSQL and Redis, as `npm run stack` runs it. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serviceNames, startStack } from '@cruvero/stack';
import type { Layout, Plan } from './layout.fixture.ts';
import { root } from './program.fixture.ts';
import { shownKeys } from './shown-keys.fixture.ts';

const bin = join(root, 'node_modules/.bin');

export async function startApart({ folder, isKept, config, env, keys, codeExec }: Plan): Promise<Layout> {
  const startMs = performance.now();
  const stack = await startStack({
    root,
    ...(codeExec ? {} : { only: serviceNames.filter((name) => name !== 'code-exec') }),
    // Without a folder the stack makes a temporary one, with a database that is quick to make.
    ...(isKept ? { folder: join(folder, '.cruvero/stack') } : {}),
    env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, ...env },
  });
  const readyMs = Math.round(performance.now() - startMs);
  const { services } = stack;
  const shown = shownKeys(services.registry.stdout());
  const logOf = async (file: string): Promise<string> =>
    `--- ${file}\n${await readFile(file, 'utf8').catch(() => '')}`;
  return {
    kind: 'apart',
    url: stack.gatewayUrl,
    registryUrl: stack.registryUrl,
    statusUrls: Object.fromEntries(stack.running.map(({ name, url }) => [name, url])),
    natsUrl: stack.nats.url,
    agentKey: shown.agentKey ?? keys?.agentKey ?? '',
    adminKey: shown.adminKey ?? keys?.adminKey ?? '',
    shown,
    folder,
    config,
    readyMs,
    stdout: () => stack.running.map((service) => service.stdout()).join(''),
    logs: async () => (await Promise.all(stack.running.map(({ logFile }) => logOf(logFile)))).join('\n'),
    pids: () => stack.running.map(({ pid }) => pid),
    stack,
    stop: () => stack.stop(),
    [Symbol.asyncDispose]: () => stack.stop(),
  };
}
