/** Tests of the whole stack with real servers and small services that only say where they were put. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { eventually, isRunning } from './eventually.fixture.ts';
import { freePort } from './ports.ts';
import { startStack } from './stack.ts';
import type { StackOptions } from './stack.ts';

const fake = fileURLToPath(new URL('./fake-service.fixture.ts', import.meta.url));
const options: StackOptions = { root: tmpdir(), entry: () => fake };

async function environmentOf(url: string): Promise<Readonly<Record<string, string | undefined>>> {
  return (await (await fetch(url)).json()) as Record<string, string>;
}

/** A folder that PostgreSQL's account may enter. */
async function givenFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'given-'));
  await chmod(path, 0o755);
  return path;
}

describe('startStack', () => {
  it('tells every service where everything is', async () => {
    process.env['CRUVERO_LEFT_OVER'] = 'from the shell';
    await using stack = await startStack({
      ...options,
      env: { CRUVERO_MCP_DISCOVERY: 'nats', EXTRA: 'yes' },
    });
    delete process.env['CRUVERO_LEFT_OVER'];
    const env = await environmentOf(stack.gatewayUrl);
    const expected = {
      CRUVERO_CONFIG: join(tmpdir(), 'cruvero.json'),
      CRUVERO_DATABASE_URL: stack.postgres.url,
      CRUVERO_DRAGONFLY_ADDR: `127.0.0.1:${stack.redis.port}`,
      CRUVERO_EVENTS_BACKEND: 'nats',
      CRUVERO_EVENTS_SUBJECT_PREFIX: 'cruvero',
      CRUVERO_NATS_URL: stack.nats.url,
      CRUVERO_MCP_DISCOVERY: 'nats',
      CRUVERO_MCP_REGISTRY_ENABLED: 'true',
      CRUVERO_MCPGW_GATEWAY_ID: 'gw-1',
      CRUVERO_MCPGW_LISTEN_ADDR: `127.0.0.1:${stack.services.gateway.port}`,
      CRUVERO_REGISTRY_LISTEN_ADDR: `127.0.0.1:${stack.services.registry.port}`,
      CRUVERO_HEALTH_MONITOR_LISTEN_ADDR: `127.0.0.1:${stack.services['health-monitor'].port}`,
      CRUVERO_STDIO_BRIDGE_LISTEN_ADDR: `127.0.0.1:${stack.services['stdio-bridge'].port}`,
      MCP_CODE_EXEC_PORT: String(stack.services['code-exec'].port),
      CRUVERO_DATA_DIR: join(stack.folder, 'gateway'),
      EXTRA: 'yes',
      CRUVERO_LEFT_OVER: undefined,
    };
    for (const [name, value] of Object.entries(expected)) assert.equal(env[name], value, name);
    const other = await environmentOf(stack.registryUrl);
    assert.equal(other['CRUVERO_DATA_DIR'], join(stack.folder, 'registry'));
    assert.equal(await stack.services.gateway.ready(), stack.gatewayUrl);
  });

  it('keeps what a service printed over its runs, and keeps it out of its log', async () => {
    await using stack = await startStack({ ...options, only: ['registry'] });
    const { registry } = stack.services;
    assert.match(registry.stdout(), /shown once: a-key-for-people/);
    const first = registry.pid;
    await registry.kill('SIGKILL');
    assert.equal(registry.alive, false);
    await assert.rejects(fetch(registry.url));
    await registry.restart();
    assert.notEqual(registry.pid, first);
    assert.equal((await fetch(registry.url)).status, 200);
    assert.equal(registry.stdout().match(/a-key-for-people/g)?.length, 1);
    const log = await readFile(registry.logFile, 'utf8');
    assert.match(log, /registry says something to its log[^]*registry starts/);
    assert.doesNotMatch(log, /a-key-for-people/);
  });

  it('stops in order, leaves nothing of a temporary stack, and may be stopped twice', async () => {
    const folder = await givenFolder();
    const stack = await startStack({ ...options, folder });
    const pids = [stack.nats, stack.postgres, stack.redis, ...stack.running].map(({ pid }) => pid);
    await Promise.all([stack.stop(), stack.stop()]);
    assert.deepEqual(pids.filter(isRunning), []);
    const order = (await readFile(join(folder, 'stopped'), 'utf8')).trim().split('\n');
    assert.deepEqual(order, [
      'gateway',
      'code-exec',
      'stdio-bridge',
      'health-monitor',
      'credential-broker',
      'registry',
    ]);
    assert.equal(existsSync(join(folder, 'postgres/data/PG_VERSION')), true);
    await rm(folder, { recursive: true });

    const passing = await startStack({ ...options, only: [] });
    await passing.stop();
    assert.equal(existsSync(passing.folder), false);
  });

  it('fails with the log of the service that does not start, and takes the rest down', async () => {
    const folder = await givenFolder();
    const port = await freePort();
    const failing = startStack({
      ...options,
      folder,
      ports: { nats: port },
      env: { FAKE_FAILS: 'stdio-bridge' },
    });
    await assert.rejects(failing, /stdio-bridge ended \(exit code 3\) before it was ready[^]*no such luck/);
    assert.equal(
      (await readFile(join(folder, 'stopped'), 'utf8')).trim(),
      'health-monitor\ncredential-broker\nregistry',
    );
    // The same folder and port can be used at once: nothing is left.
    await using again = await startStack({ ...options, folder, ports: { nats: port }, only: [] });
    assert.equal(again.nats.port, port);
    await again.stop();
    await rm(folder, { recursive: true });
  });

  it('goes on without code execution where that does not start', async () => {
    const said: string[] = [];
    await using stack = await startStack({
      ...options,
      only: ['registry', 'code-exec'],
      env: { FAKE_FAILS: 'code-exec' },
      onEvent: (line) => void said.push(line),
    });
    assert.deepEqual(
      stack.running.map(({ name }) => name),
      ['registry'],
    );
    assert.match(said.join('\n'), /^code-exec does not run here: .*[^]*no such luck/);
  });

  it('fails when the gateway never says that it is ready', async () => {
    const waiting = startStack({
      ...options,
      only: ['gateway'],
      env: { FAKE_IS_NEVER_READY: 'gateway' },
      readyWithinMs: 2_000,
    });
    await assert.rejects(
      waiting,
      /gateway printed no line "ready …" within 2000 ms[^]*gateway says something to its log/,
    );
  });

  it('refuses a folder in which another stack runs', async () => {
    await using stack = await startStack({ ...options, only: [] });
    await writeFile(join(stack.folder, 'stack.pid'), String(process.ppid));
    const second = startStack({ ...options, folder: stack.folder });
    await assert.rejects(second, new RegExp(`Process ${process.ppid} already runs a stack`));
  });

  it('starts again what dies, when asked to', async () => {
    const events: string[] = [];
    await using stack = await startStack({
      ...options,
      restartOnDeath: true,
      onEvent: (line) => void events.push(line),
    });
    const { registry } = stack.services;
    const first = registry.pid;
    process.kill(first, 'SIGKILL');
    process.kill(stack.redis.pid, 'SIGKILL');
    await eventually(
      'both run again',
      () => events.filter((line) => line.endsWith('runs again')).length === 2,
    );
    assert.notEqual(registry.pid, first);
    assert.equal(registry.alive && stack.redis.alive, true);
    assert.ok(
      events.includes('registry ended (signal SIGKILL); starting it again in 0.5 s'),
      events.join('\n'),
    );
  });
});
