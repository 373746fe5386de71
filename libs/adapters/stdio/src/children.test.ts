/** Real children keep the contract, and end with their parent. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ChildCommand } from '@cruvero/ports';
import { childrenContract, watch } from '@cruvero/ports/contracts/children';
import { childProcesses } from './children.ts';

const node = (script: string, env: Record<string, string> = {}): ChildCommand => ({
  command: process.execPath,
  args: ['-e', script],
  env,
});

const sits = 'setInterval(() => {}, 1e6);';
const sleeper = (options: string): string =>
  `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(`process.on('SIGTERM', () => {}); ${sits}`)}], ${options})`;

childrenContract('adapter-stdio', childProcesses, {
  echo: node(`
    const lines = require('node:readline').createInterface({ input: process.stdin });
    lines.on('line', (line) => console.log('echo: ' + line));
  `),
  exitsWithThree: node('process.exitCode = 3;'),
  ignoresSigterm: node(`process.on('SIGTERM', () => {}); ${sits} console.log('ready');`),
  complains: node(`console.error('complaint');`),
  longLine: node(`${sits} process.stdout.write('x'.repeat(80_000) + '\\n' + 'short\\n');`),
  missing: { command: 'no-such-command-anywhere', args: [], env: {} },
});

/** Gone, or dead and only waiting for process 1. */
function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return true;
  }
  if (!existsSync('/proc/self/stat')) return false;
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

async function untilGone(pids: readonly number[], boundMs: number): Promise<void> {
  const endMs = performance.now() + boundMs;
  while (!pids.every(isGone)) {
    assert.ok(performance.now() < endMs, `still there: ${pids.filter((pid) => !isGone(pid)).join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const pidsOf = (line: string): number[] => (line.match(/[0-9]+/g) ?? []).map(Number);

describe('childProcesses', { timeout: 30_000 }, () => {
  it('stops the grandchildren too, those included that made their own process group', async () => {
    await using children = childProcesses();
    const family = watch(
      children,
      node(`
        const same = ${sleeper('{ stdio: "ignore" }')};
        const apart = ${sleeper('{ stdio: "ignore", detached: true }')};
        ${sits} console.log('pids ' + [process.pid, same.pid, apart.pid]);
      `),
    );
    const pids = pidsOf(await family.line((line) => line.startsWith('pids ')));
    assert.equal(pids.length, 3);
    await family.child.stop(300);
    await untilGone(pids, 2_000);
  });

  it('clears away grandchildren whose parent ended by itself', async () => {
    await using children = childProcesses();
    const family = watch(
      children,
      node(`const left = ${sleeper('{ stdio: "inherit" }')}; left.unref(); console.log('pid ' + left.pid);`),
    );
    const pids = pidsOf(await family.line((line) => line.startsWith('pid ')));
    assert.equal((await family.exit).code, 0);
    await untilGone(pids, 2_000);
  });

  it('is not blocked by a child that floods stdout', async () => {
    await using children = childProcesses();
    const flood = watch(
      children,
      node(`
        const line = JSON.stringify({ filler: 'y'.repeat(1_000) }) + '\\n';
        let left = 20_000;
        const pour = () => { while (left-- > 0) if (!process.stdout.write(line)) return process.stdout.once('drain', pour); };
        pour();
      `),
    );
    assert.equal((await flood.exit).code, 0);
    assert.equal(flood.lines.length, 20_000);
    assert.ok(flood.lines.every((line) => line.length === 1_013));
  });

  it('passes on broken UTF-8 as replacement characters, and mends characters cut between two writes', async () => {
    await using children = childProcesses();
    const odd = watch(
      children,
      node(`
        const fs = require('node:fs');
        fs.writeSync(1, Buffer.from([0xff, 0xfe, 0x41, 0x0a]));
        const euro = Buffer.from('€\\r\\n');
        fs.writeSync(1, euro.subarray(0, 1));
        setTimeout(() => { fs.writeSync(1, euro.subarray(1)); fs.writeSync(1, 'no end'); }, 30);
      `),
    );
    await odd.exit;
    assert.deepEqual(odd.lines, ['\ufffd\ufffdA', '€']);
  });

  it('gives a child its own variables and a few harmless ones, never the secrets of this process', async () => {
    await using children = childProcesses({
      env: {
        PATH: process.env['PATH'],
        HOME: '/home/me',
        CRUVERO_NATS_PASSWORD: 'canary',
        AWS_SECRET_ACCESS_KEY: 'canary',
      },
    });
    const told = watch(children, node('console.log(JSON.stringify(process.env))', { OWN: 'yes' }));
    const env: Record<string, string> = JSON.parse(await told.line((line) => line.startsWith('{')));
    const { CRUVERO_CHILD: mark, ...rest } = env;
    assert.match(mark ?? '', /^[0-9a-f-]{36}$/);
    assert.doesNotMatch(JSON.stringify(env), /canary/);
    assert.deepEqual([rest['OWN'], rest['HOME']], ['yes', '/home/me']);
    // The last one is Node's own doing when tests run with coverage.
    const known = ['PATH', 'HOME', 'OWN', 'PWD', 'OLDPWD', 'SHLVL', '_', 'NODE_V8_COVERAGE'];
    assert.deepEqual(
      Object.keys(rest).filter((name) => !known.includes(name)),
      [],
    );
  });

  it('runs arguments as they are: nothing in them is read by a shell', async () => {
    await using children = childProcesses();
    const odd = ['$(touch /tmp/never)', '; exit 9', "'", '"', '`id`', '*', '', 'a\nb', '-c'];
    const told = watch(children, {
      command: process.execPath,
      args: ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...odd],
      env: {},
    });
    assert.deepEqual(JSON.parse(await told.line((line) => line.startsWith('['))), odd);
  });

  it('turns what the operating system refuses into a spawnError', async () => {
    await using children = childProcesses();
    const refusals: [ChildCommand, RegExp][] = [
      [{ command: process.execPath, args: ['a\0b'], env: {} }, /null bytes/],
      [
        { command: process.execPath, args: [], env: {}, cwd: '/no/such/folder' },
        /working folder .* does not exist/,
      ],
      [{ command: '/etc/passwd', args: [], env: {} }, /not executable/],
      [{ command: './nowhere', args: [], env: {} }, /does not exist/],
      [{ command: '', args: [], env: {} }, /empty/],
    ];
    for (const [command, why] of refusals)
      assert.match((await watch(children, command).exit).spawnError ?? '', why);
  });

  it('refuses lines once the child does not read any more', async () => {
    await using children = childProcesses({ stdinBytesMax: 1 << 20 });
    const { child, line } = watch(children, node(`${sits} console.log('ready');`));
    await line((text) => text === 'ready');
    let taken = 0;
    while (taken < 100 && child.writeLine('z'.repeat(100_000))) taken += 1;
    assert.ok(taken >= 10 && taken < 20, `took ${taken} lines of 100 kB`);
    await child.stop(100);
  });

  it('sums memory and time over the whole family', { skip: !existsSync('/proc/self/stat') }, async () => {
    await using children = childProcesses();
    const { child, line } = watch(
      children,
      node(
        `const more = ${sleeper('{ stdio: "ignore" }')}; ${sits} more.on('spawn', () => console.log('ready'));`,
      ),
    );
    await line((text) => text === 'ready');
    const usage = child.usage();
    assert.ok(usage && usage.rssBytes > 30 << 20 && usage.rssBytes < 1 << 30, JSON.stringify(usage));
    assert.ok(usage.cpuMs >= 0 && usage.cpuMs < 60_000);
    await child.stop(100);
  });

  it(
    'leaves no orphan when this process is killed with SIGKILL',
    { skip: !existsSync('/proc/self/stat') },
    async () => {
      const adapter = fileURLToPath(new URL('children.ts', import.meta.url));
      const stubborn = `process.on('SIGTERM', () => {}); process.stdin.on('end', () => {});`;
      const script = `
      import { childProcesses } from ${JSON.stringify(adapter)};
      const inner = ${JSON.stringify(`
        ${stubborn}
        const same = ${sleeper('{ stdio: "ignore" }')};
        const apart = ${sleeper('{ stdio: "ignore", detached: true }')};
        ${sits} console.log('pids ' + [process.pid, same.pid, apart.pid]);
      `)};
      childProcesses().spawn(
        { command: process.execPath, args: ['-e', inner], env: {} },
        { onLine: (line) => console.log(line), onStderr: () => {}, onExit: () => {} }, 65536);
      ${sits}
    `;
      const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
      const pids = pidsOf(line);
      assert.equal(pids.length, 3);
      assert.ok(!pids.some(isGone));
      parent.kill('SIGKILL');
      await untilGone(pids, 8_000);
    },
  );
});
