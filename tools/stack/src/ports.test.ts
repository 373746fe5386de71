/** Tests of port allocation: within one process, and between processes that ask at once. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { canListen, freePort } from './ports.ts';

const portsModule = fileURLToPath(new URL('./ports.ts', import.meta.url));

describe('freePort', () => {
  it('never hands out one port twice in a process, also when asked many times at once', async () => {
    const ports = await Promise.all(Array.from({ length: 60 }, () => freePort()));
    assert.equal(new Set(ports).size, 60);
    for (const port of ports) assert.ok(port >= 20_000 && port < 32_000);
  });

  it('keeps two processes apart that ask at the same time', async () => {
    const program = `
      const { freePort } = await import(${JSON.stringify(portsModule)});
      const ports = [];
      for (let i = 0; i < 150; i += 1) ports.push(await freePort());
      console.log(JSON.stringify(ports));
      process.stdin.resume();
      process.stdin.on('end', () => process.exit(0));
    `;
    const run = promisify(execFile);
    const children = [1, 2].map(() => run(process.execPath, ['--input-type=module', '-e', program]));
    // Both hold their claims until both have spoken.
    await Promise.all(
      children.map(async ({ child }) => await new Promise((resolve) => child.stdout?.once('data', resolve))),
    );
    for (const { child } of children) child.stdin?.end();
    const lists = (await Promise.all(children)).map(({ stdout }) => JSON.parse(stdout) as number[]);
    assert.equal(new Set(lists.flat()).size, 300);
  });

  it('hands out a port on which a server can listen', async () => {
    const port = await freePort();
    assert.equal(await canListen(port), true);
    const server = createServer().listen(port, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    assert.equal(await canListen(port), false);
    await new Promise((resolve) => server.close(resolve));
  });
});
