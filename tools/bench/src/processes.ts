/** Starts what is measured, each as a process of its own, and stops it. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Running extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Everything on standard output up to the line `ready`. */
  readonly said: string;
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

function start(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const child = spawn(process.execPath, [join(root, file), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    cwd: root,
  });
  return new Promise((resolve, reject) => {
    let said = '';
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code} before it was ready`)));
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const url = /^ready (\S+)$/m.exec(said)?.[1];
      if (url !== undefined)
        resolve({ url, pid: child.pid ?? 0, said, [Symbol.asyncDispose]: () => end(child) });
    });
  });
}

function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.removeAllListeners('exit');
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

export const startUpstream = (): Promise<Running> => start('tools/bench/src/upstream.ts', []);
export const startBareProxy = (url: string): Promise<Running> =>
  start('tools/bench/src/bare-proxy.ts', [url]);

/** The embedded layout with this one upstream under `servers` names; its rates are set out of the way of the measurement. */
export async function startGateway(
  upstreamUrl: string,
  servers: number,
): Promise<Running & { readonly key: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-bench-'));
  const config = join(folder, 'cruvero.json');
  const names = Array.from({ length: servers }, (_, i) => `s${i}`);
  const mcpServers = Object.fromEntries(names.map((name) => [name, { url: `${upstreamUrl}/mcp` }]));
  await writeFile(config, JSON.stringify({ mcpServers }));
  const running = await start('apps/all-in-one/src/main.ts', [], {
    CRUVERO_CONFIG: config,
    CRUVERO_DATA_DIR: join(folder, 'data'),
    CRUVERO_MCPGW_LISTEN_ADDR: '127.0.0.1:0',
  });
  const keyOf = (kind: string): string =>
    new RegExp(`^${kind}-key (\\S+)$`, 'm').exec(running.said)?.[1] ?? '';
  await liftRates(running.url, keyOf('admin'));
  return {
    ...running,
    key: keyOf('agent'),
    [Symbol.asyncDispose]: async () => {
      await running[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function liftRates(url: string, key: string): Promise<void> {
  const profile = {
    name: 'default',
    rate_limit: 1_000_000,
    rate_burst: 1_000_000,
    enforcement_mode: 'enforce',
  };
  const answer = await fetch(`${url}/admin/api/v1/policy/profiles`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ profiles: [profile] }),
  });
  if (!answer.ok)
    throw new Error(`the rates could not be lifted: HTTP ${answer.status} ${await answer.text()}`);
}
