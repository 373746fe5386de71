/** Tests of `npm run stack` as a child process: what it prints, what it survives, and that Ctrl-C leaves nothing. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, isRunning } from './eventually.fixture.ts';
import { freePort } from './ports.ts';
import { inheritedEnv } from './process.ts';
import { serviceNames } from './service.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const fake = fileURLToPath(new URL('./fake-service.fixture.ts', import.meta.url));

interface Started extends AsyncDisposable {
  readonly root: string;
  said(): string;
  /** The process ids in the table, by name. */
  pids(): Readonly<Record<string, number>>;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

async function checkout(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'given-'));
  await chmod(root, 0o755);
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  for (const name of serviceNames) {
    await mkdir(join(root, 'apps', name, 'src'), { recursive: true });
    await cp(fake, join(root, 'apps', name, 'src/main.ts'));
  }
  return root;
}

function startMain(root: string, env: Readonly<Record<string, string>> = {}): Started {
  const child = spawn(process.execPath, [main, root], {
    cwd: root,
    env: { ...inheritedEnv(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => void (said += chunk.toString()));
  const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
  const rows = (): string[][] => said.split('\n').map((line) => line.trim().split(/ {2,}/));
  return {
    root,
    said: () => said,
    pids: () =>
      Object.fromEntries(
        rows()
          .filter((row) => Number(row[2]) > 0)
          .map((row) => [row[0], Number(row[2])]),
      ),
    end: async (signal) => {
      child.kill(signal);
      return await closed;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await closed;
      await rm(root, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}

describe('npm run stack', () => {
  it('says where everything is, restarts what dies, and stops all on Ctrl-C', async () => {
    const port = await freePort();
    await using stack = startMain(await checkout(), { CRUVERO_MCPGW_LISTEN_ADDR: `127.0.0.1:${port}` });
    const ready = `ready http://127.0.0.1:${port}`;
    await eventually('the gateway is ready', () => stack.said().split('\n').includes(ready), 60_000);
    assert.equal(stack.said().match(/^ready /gm)?.length, 1);
    assert.match(stack.said(), /^API key, shown once: a-key-for-people$/m);
    const pids = stack.pids();
    assert.deepEqual(Object.keys(pids), ['PostgreSQL', 'nats-server', 'redis-server', ...serviceNames]);
    const password = (await readFile(join(stack.root, '.cruvero/stack/postgres/password'), 'utf8')).trim();
    assert.ok(password.length >= 32 && !stack.said().includes(password));
    assert.ok(existsSync(join(stack.root, '.cruvero/stack/logs/gateway.log')));

    process.kill(pids['gateway'] ?? 0, 'SIGKILL');
    await eventually('the gateway is ready again', () => stack.said().split(ready).length === 3);
    assert.match(stack.said(), /gateway ended \(signal SIGKILL\); starting it again in 0\.5 s\n/);

    assert.equal(await stack.end('SIGINT'), 0);
    assert.match(stack.said(), /SIGINT: stopping …\nstopped\n$/);
    assert.deepEqual(Object.values(pids).filter(isRunning), []);
    const order = await readFile(join(stack.root, '.cruvero/stack/stopped'), 'utf8');
    assert.equal(order, 'gateway\ncode-exec\nstdio-bridge\nhealth-monitor\ncredential-broker\nregistry\n');
  });

  it('leaves no process behind when it is killed with -9, and starts on the same folder again', async () => {
    const root = await checkout();
    const first = startMain(root);
    await eventually('the first is ready', () => /^ready /m.test(first.said()), 60_000);
    const pids = Object.values(first.pids());
    await first.end('SIGKILL');
    await eventually('all are gone', () => !pids.some(isRunning));
    await using second = startMain(root);
    await eventually('the second is ready', () => /^ready /m.test(second.said()), 60_000);
    // The registry's state is the first one's: no new key.
    assert.doesNotMatch(second.said(), /API key/);
    assert.equal(await second.end('SIGTERM'), 0);
  });

  it('says what is wrong and ends with 1 when a service does not start', async () => {
    await using stack = startMain(await checkout(), { FAKE_FAILS: 'gateway' });
    await eventually('it gives up', () => stack.said().includes('no such luck'), 60_000);
    assert.equal(await stack.end('SIGCONT'), 1);
  });
});
