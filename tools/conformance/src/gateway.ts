/** The product under test: one embedded gateway, or two gateways apart that share everything but their process. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startStack } from '@cruvero/stack';
import { untilListed } from './modern-request.ts';
import { root, startProgram } from './program.ts';

/** An entry of cruvero.json. */
export type Entry = Readonly<Record<string, unknown>>;
export type Entries = Readonly<Record<string, Entry>>;

const readyMsMax = 90_000;
const listedMsMax = 15_000;

/** Nobody asks for a key: the official program has no way to send one. */
const openToAll = { CRUVERO_MCP_GATEWAY_AUTH: 'none' } as const;

export interface Gateway extends AsyncDisposable {
  /** The endpoint of one server, under the server's own names. */
  endpoint(server: string): string;
  /** The end of its output and its log. */
  said(): string;
}

export async function startGateway(
  servers: Entries,
  env: Readonly<Record<string, string>> = {},
): Promise<Gateway> {
  await using stack = new AsyncDisposableStack();
  const folder = await temporaryFolder(stack);
  const program = stack.use(
    startProgram('apps/all-in-one/src/main.ts', {
      CRUVERO_CONFIG: await configFile(folder, servers),
      CRUVERO_DATA_DIR: join(folder, 'data'),
      CRUVERO_MCPGW_LISTEN_ADDR: '127.0.0.1:0',
      ...openToAll,
      ...env,
    }),
  );
  const [, origin = ''] = await program.says(/^ready (\S+)$/m, readyMsMax);
  const endpoint = endpointsAt(origin);
  const all = stack.move();
  return { endpoint, said: program.said, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

export interface Replica {
  /** Without a path. */
  readonly origin: string;
  /** As a crash does. */
  kill(): Promise<void>;
  /** Brings it back at the same address. */
  restart(): Promise<void>;
}

export interface Replicas extends AsyncDisposable {
  readonly replicas: readonly [Replica, Replica];
}

/** Registry, bridge, NATS, PostgreSQL and Redis once, the gateway twice. */
export async function startReplicas(servers: Entries): Promise<Replicas> {
  await using disposables = new AsyncDisposableStack();
  const folder = await temporaryFolder(disposables);
  const shared = {
    CRUVERO_CONFIG: await configFile(folder, servers),
    CRUVERO_MCPGW_SEAL_KEY: randomBytes(32).toString('base64'),
    ...openToAll,
  };
  const env = { PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`, ...shared };
  const stack = disposables.use(await startStack({ root, env, readyWithinMs: readyMsMax }));
  const port = await freePort();
  const start = async () => {
    const program = startProgram('apps/gateway/src/main.ts', {
      ...shared,
      CRUVERO_DATA_DIR: join(folder, 'gateway-2'),
      CRUVERO_DRAGONFLY_ADDR: `127.0.0.1:${stack.redis.port}`,
      CRUVERO_EVENTS_SUBJECT_PREFIX: 'cruvero',
      CRUVERO_MCPGW_GATEWAY_ID: 'gw-2',
      CRUVERO_MCPGW_LISTEN_ADDR: `127.0.0.1:${port}`,
      CRUVERO_NATS_URL: stack.nats.url,
    });
    await program.says(/^ready (\S+)$/m, readyMsMax);
    return program;
  };
  let second = await start();
  disposables.defer(() => second[Symbol.asyncDispose]());
  const { gateway } = stack.services;
  const listed = (origin: string) => awaitLists(endpointsAt(origin), servers);
  const first: Replica = {
    origin: gateway.url,
    kill: () => gateway.kill('SIGKILL'),
    restart: async () => {
      await gateway.restart();
      await gateway.ready(readyMsMax);
      await listed(gateway.url);
    },
  };
  const origin = `http://127.0.0.1:${port}`;
  const other: Replica = {
    origin,
    kill: () => second.kill(),
    restart: async () => {
      second = await start();
      await listed(origin);
    },
  };
  await Promise.all([listed(first.origin), listed(origin)]);
  const all = disposables.move();
  return { replicas: [first, other], [Symbol.asyncDispose]: () => all.disposeAsync() };
}

export const endpointsAt =
  (origin: string) =>
  (server: string): string =>
    `${origin}/servers/${server}/mcp`;

/** A server that is not listed in time is left to the suites: they say what is wrong with it. */
export async function awaitLists(endpoint: (server: string) => string, servers: Entries): Promise<void> {
  await Promise.all(Object.keys(servers).map((name) => untilListed(endpoint(name), listedMsMax)));
}

async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-conformance-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}

async function configFile(folder: string, servers: Entries): Promise<string> {
  const path = join(folder, 'cruvero.json');
  await writeFile(path, JSON.stringify({ mcpServers: servers }, undefined, 2));
  return path;
}
