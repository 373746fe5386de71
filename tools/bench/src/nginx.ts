/** nginx as a reverse proxy before one server, from a folder of its own; ends with this process. */

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nginxConfig } from './nginx-config.ts';
import { endWithParent } from './process-end.ts';

/** Folders outside many users' PATH in which packages put it. */
const usualFolders = '/usr/sbin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/bin';
const readyMsMax = 5_000;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });
}

const folder = await mkdtemp(join(tmpdir(), 'cruvero-bench-nginx-'));
const port = await freePort();
const configFile = join(folder, 'nginx.conf');
const upstream = new URL(process.argv[2] ?? '').host;
await writeFile(configFile, nginxConfig({ folder, port, upstream, root: process.getuid?.() === 0 }));
const child = spawn('nginx', ['-p', folder, '-c', configFile, '-e', join(folder, 'error.log')], {
  stdio: ['ignore', 'ignore', 'inherit'],
  env: { PATH: `${process.env['PATH'] ?? ''}:${usualFolders}` },
});
let over = false;
const ended = new Promise<void>((resolve) => {
  const end = (): void => {
    over = true;
    resolve();
  };
  child.once('exit', end);
  child.once('error', (error) => {
    const missing = 'code' in error && error.code === 'ENOENT';
    process.stdout.write(missing ? 'missing\n' : `failed ${error.message}\n`);
    end();
  });
});
endWithParent();
// Nothing else keeps this process alive once nginx has ended.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => child.kill('SIGTERM'));

const untilMs = performance.now() + readyMsMax;
while (!over && !(await accepts(port)) && performance.now() < untilMs) await sleep(20);
if (!over) process.stdout.write(`ready http://127.0.0.1:${port}\n`);
await ended;
await rm(folder, { recursive: true, force: true });
