/** The one process of the embedded layout is killed: what it had confirmed is there again, and nothing is left of its children. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startLegacyServer, type FixtureServer } from '@cruvero/testkit';
import { api } from '../harness/api.fixture.ts';
import { configFile, legacyCommand } from '../harness/config-file.fixture.ts';
import type { Layout } from '../harness/layout.fixture.ts';
import { startLayout } from '../harness/over-layouts.fixture.ts';
import { descendantsOf, runningProcesses } from '../harness/processes.fixture.ts';
import { runProgram, startProgram } from '../harness/program.fixture.ts';
import { listedServers, rawCall } from '../harness/raw.fixture.ts';
import { timed, until } from '../harness/until.fixture.ts';

const writes = 12;
const postedNames = Array.from({ length: writes }, (_, n) => `posted-${n}`);

describe('kill -9 of the embedded layout', () => {
  /** In the arguments of every child, and of no other process on this machine. */
  const mark = `--mark=${randomUUID()}`;
  let folder = '';
  let posted: FixtureServer;
  let layout: Layout;
  const start = (more: Partial<Parameters<typeof startLayout>[1]> = {}): Promise<Layout> =>
    startLayout('embedded', { folder, servers: { child: legacyCommand('--name=child', mark) }, ...more });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cruvero-e2e-death-'));
    posted = await startLegacyServer({ serverName: 'posted' });
    layout = await start();
  });
  after(async () => {
    await layout?.stop();
    await posted.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('refuses a second process on the same folder, in a sentence', async () => {
    const second = await runProgram({
      file: 'apps/all-in-one/src/main.ts',
      env: {
        CRUVERO_DATA_DIR: join(folder, '.cruvero'),
        CRUVERO_CONFIG: layout.config.path,
        CRUVERO_MCPGW_LISTEN_ADDR: '127.0.0.1:0',
      },
    });
    assert.notEqual(second.code, 0);
    assert.match(second.stderr, /in use|another process|already/i);
    assert.doesNotMatch(second.stderr, /\n\s+at /, 'no stack trace for a person');
    assert.equal((await rawCall(layout, 'mcp.child.echo', { text: 'still here' })).status, 200);
  });

  it('leaves no process behind', async (t) => {
    for (const name of postedNames) {
      const draft = { name, transport: 'http', endpoint: posted.url };
      const made = await api(layout.registryUrl, layout.adminKey, 'POST', '/admin/api/v1/servers', draft);
      assert.equal(made.status, 201);
    }
    const [pid] = layout.pids();
    assert.ok(pid);
    const family = descendantsOf(pid).map((each) => each.pid);
    assert.ok(family.length > 0, 'it has children');
    // At once after the last write was confirmed.
    process.kill(pid, 'SIGKILL');
    const { ms } = await timed(async () => {
      await until('nothing is left of it', () => {
        const left = runningProcesses().filter(
          (each) => family.includes(each.pid) || each.words.includes(mark),
        );
        return left.length === 0;
      });
    });
    t.diagnostic(`${family.length} processes gone ${ms} ms after it`);
  });

  it('starts again on the same folder with everything that was confirmed', async (t) => {
    const { agentKey, adminKey } = layout;
    await layout.stop();
    layout = await start({ keys: { agentKey, adminKey }, awaits: ['child', ...postedNames] });
    assert.deepEqual(layout.shown, {});
    const listed = await listedServers(layout);
    assert.deepEqual([...listed].sort(), ['child', ...postedNames].sort());
    const { status, result } = await rawCall(layout, `mcp.posted-${writes - 1}.echo`, { text: 'again' });
    assert.equal(status, 200);
    assert.match(JSON.stringify(result), /again/);
    t.diagnostic(`ready again ${layout.readyMs} ms after the start, with ${writes} of ${writes} servers`);
  });
});

describe('the embedded layout that is ended while a server still starts', () => {
  it('ends at once, having shown its keys, and leaves no process behind', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'cruvero-e2e-death-'));
    const mark = `--mark=${randomUUID()}`;
    const config = configFile(folder);
    // It never answers.
    const script = 'setInterval(() => undefined, 1_000)';
    await config.servers({ silent: { command: process.execPath, args: ['-e', script, '--', mark] } });
    await using program = startProgram({
      file: 'apps/all-in-one/src/main.ts',
      env: {
        CRUVERO_DATA_DIR: join(folder, '.cruvero'),
        CRUVERO_CONFIG: config.path,
        CRUVERO_MCPGW_LISTEN_ADDR: '127.0.0.1:0',
      },
    });
    const started = (): boolean => runningProcesses().some(({ words }) => words.includes(mark));
    await until('the server was started', started, 60_000);
    program.signal('SIGTERM');
    const { ms, value } = await timed(() => program.ended());
    assert.equal(value, 0, program.stderr());
    assert.match(program.stdout(), /^agent-key crv_/m);
    assert.equal(started(), false);
    t.diagnostic(`ended ${ms} ms after SIGTERM`);
    await rm(folder, { recursive: true, force: true });
  });
});
