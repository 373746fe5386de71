/** The registry as a process: over a real PostgreSQL and a real NATS, killed and started again. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { connectNats } from '@cruvero/adapter-nats';
import { systemClock, systemRandom } from '@cruvero/chassis';
import { startNats, startPostgres } from '@cruvero/stack';
import type { Server } from '@cruvero/stack';
import { MemoryTelemetry } from '@cruvero/testkit';

const program = new URL('./main.ts', import.meta.url).pathname;

class Registry implements AsyncDisposable {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly lines: string[] = [];
  errors = '';

  constructor(env: Readonly<Record<string, string>>) {
    this.child = spawn(process.execPath, [program], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.lines.push(line));
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
  }

  async said(word: string): Promise<string> {
    await until(
      `it says ${word}`,
      async () => this.find(word) !== undefined || this.child.exitCode !== null,
      () => this.errors,
    );
    const rest = this.find(word);
    if (rest === undefined) throw new Error(`it ended: ${this.errors}`);
    return rest;
  }
  find = (word: string): string | undefined =>
    this.lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    await exit;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }
}

async function until(what: string, holds: () => Promise<boolean>, more = () => ''): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`this never came true: ${what}\n${more()}`);
    await wait(20);
  }
}

const announce = (server: string, eventId: string) => ({
  event_type: 'mcp.announce',
  event_id: eventId,
  timestamp: new Date().toISOString(),
  payload: {
    server,
    instance_id: `${server}-1`,
    transport: 'http',
    endpoint: 'http://127.0.0.1:1/mcp',
    tools: [{ name: 'echo' }],
  },
});

describe('the registry process', () => {
  let postgres: Server;
  let nats: Server;
  let folder: string;
  let env: Record<string, string>;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cruvero-registry-'));
    await writeFile(
      join(folder, 'cruvero.json'),
      JSON.stringify({ mcpServers: { docs: { url: 'http://127.0.0.1:2/mcp' } } }),
    );
    [postgres, nats] = await Promise.all([startPostgres(), startNats({ folder: join(folder, 'nats') })]);
    env = {
      CRUVERO_DATABASE_URL: postgres.url,
      CRUVERO_NATS_URL: nats.url,
      CRUVERO_REGISTRY_LISTEN_ADDR: '127.0.0.1:0',
      CRUVERO_CONFIG: join(folder, 'cruvero.json'),
    };
  });
  after(async () => {
    await Promise.all([postgres.stop(), nats.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  it(
    'keeps what was acknowledged over its own death and over those of PostgreSQL and NATS',
    { timeout: 60_000 },
    async () => {
      const { log } = new MemoryTelemetry();
      await using bus = await connectNats({
        url: nats.url,
        name: 'test',
        log,
        clock: systemClock,
        random: systemRandom,
      });
      await using first = new Registry(env);
      const url = await first.said('ready');
      const key = first.find('admin-key') ?? '';
      assert.match(key, /^crv_/);
      assert.match(first.find('agent-key') ?? '', /^crv_/);
      const names = async (at: string): Promise<readonly string[]> => {
        const answer = await fetch(`${at}/admin/api/v1/servers`, { headers: { 'x-api-key': key } });
        if (answer.status !== 200) return [`status ${answer.status}`];
        const { items } = (await answer.json()) as { items: { name: string }[] };
        return items.map((item) => item.name);
      };
      const say = async (server: string, id: string) =>
        assert.equal(await bus.publishStored('cruvero.mcp.announce', announce(server, id), id), undefined);
      const has = (at: string, ...wanted: string[]) =>
        until(
          `rows ${wanted.join()}`,
          async () => (await names(at)).join() === wanted.join(),
          () => first.errors,
        );

      await say('one', 'e1');
      await has(url, 'docs', 'one');

      await first.stop('SIGKILL');
      await say('two', 'e2');
      await using second = new Registry(env);
      const again = await second.said('ready');
      assert.equal(second.find('admin-key'), undefined, 'keys are shown once');
      await has(again, 'docs', 'one', 'two');

      await postgres.kill('SIGKILL');
      await say('three', 'e3');
      assert.deepEqual(await names(again), ['status 503']);
      await postgres.restart();
      await has(again, 'docs', 'one', 'three', 'two');

      await nats.kill('SIGKILL');
      await nats.restart();
      await until('the bus is back', async () => bus.state() === 'connected');
      await say('four', 'e4');
      await has(again, 'docs', 'four', 'one', 'three', 'two');

      const heard: unknown[] = [];
      bus.subscribe('mcpgw.gw-1.config.servers', (message) => void heard.push(message.body));
      await bus.flush();
      await bus.publish('mcpgw.gw-1.config.request', { gateway_id: 'gw-1' });
      await until('a gateway is answered', async () => heard.length > 0);
      assert.match(JSON.stringify(heard[0]), /"name":"four"/);

      await second.stop('SIGTERM');
      assert.equal(second.child.exitCode, 0, second.errors);
      assert.doesNotMatch(first.errors + second.errors, /crv_/);
    },
  );

  it('waits for a database that is not there, and ends when told to', { timeout: 30_000 }, async () => {
    await using waiting = new Registry({
      ...env,
      CRUVERO_DATABASE_URL: 'postgres://someone:s3cret@127.0.0.1:1/db',
    });
    await until('it says that it waits', async () => waiting.errors.includes('waiting for the database'));
    await waiting.stop('SIGTERM');
    assert.equal(waiting.child.exitCode, 0);
    assert.doesNotMatch(waiting.errors, /s3cret/);
  });

  it('ends with 64 and says every setting that is wrong', async () => {
    const wrong = {
      CRUVERO_DATABASE_URL: 'mysql://x',
      CRUVERO_API_KEY: 'short',
      CRUVERO_MCP_DISCOVERY: 'x',
      CRUVERO_REGISTRY_LISTEN_ADDR: 'x',
    };
    await using refused = new Registry({ ...env, ...wrong });
    await once(refused.child, 'exit');
    assert.equal(refused.child.exitCode, 64);
    for (const name of Object.keys(wrong)) assert.match(refused.errors, new RegExp(name));
  });
});
