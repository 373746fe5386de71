/** The embedded database: the store contract, one process a folder, nothing lost by kill -9. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { setInterval } from 'node:timers/promises';
import { StoreUnavailable } from '@cruvero/ports';
import { serverStoreContract } from '@cruvero/ports/contracts/server-store';
import { lent } from './lent-runner.fixture.ts';
import { migrateDown, migrateUp } from './migrate.ts';
import { pgliteRunner } from './pglite-runner.ts';
import { openServerStore } from './server-store.ts';
import type { SqlRunner } from './sql-runner.ts';
import { emptyTables, publicTables } from './tables.fixture.ts';

const clock = { nowMs: () => 1_800_000_000_000 };
const migrations = [
  '0030_mcp_server_registry',
  '0031_mcp_control_plane',
  '0032_mcp_virtual_servers',
  '0033_mcp_registry_incarnation',
  '0034_mcp_server_credential',
];

describe('the embedded database', () => {
  let folder: string;
  let runner: SqlRunner;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cruvero-pglite-'));
    runner = await pgliteRunner({ folder: join(folder, 'db') });
    await migrateUp(runner);
  });
  after(async () => {
    await runner[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  /** One database for the whole suite, emptied for each test: making one takes seconds. */
  serverStoreContract('PGlite', async (storeClock) => {
    await emptyTables(runner);
    return openServerStore(lent(runner), { clock: storeClock, migrate: false });
  });

  it('gives the main loop its turns while a statement runs', async () => {
    let turns = 0;
    const done = new AbortController();
    const counting = (async () => {
      for await (const _ of setInterval(5, undefined, { signal: done.signal })) turns += 1;
    })().catch(() => undefined);
    await runner.query('SELECT count(*) FROM generate_series(1, 3000000)');
    done.abort();
    await counting;
    assert.ok(turns >= 5, `the loop turned ${turns} times`);
  });

  it('says at once that a second opener cannot have the folder', async () => {
    await assert.rejects(pgliteRunner({ folder: join(folder, 'db') }), /in use by another process/);
  });

  it('refuses more waiting statements than its bound, and serves those that wait', async () => {
    await using small = await pgliteRunner({ folder: join(folder, 'small'), waitersMax: 2 });
    const asked = await Promise.allSettled(Array.from({ length: 5 }, () => small.query('SELECT 1 AS one')));
    const refused = asked.filter((a) => a.status === 'rejected');
    assert.equal(refused.length, 2);
    for (const { reason } of refused) assert.ok(reason instanceof StoreUnavailable);
  });

  it('gives up a statement without an end, and goes on with what was committed', async () => {
    await using small = await pgliteRunner({ folder: join(folder, 'stuck'), statementTimeoutMs: 2_000 });
    await small.query('CREATE TABLE kept (n int)');
    await small.query('INSERT INTO kept VALUES (7)');
    await assert.rejects(
      small.query('SELECT count(*) FROM generate_series(1, 100000000000)'),
      StoreUnavailable,
    );
    assert.deepEqual(await small.query('SELECT n FROM kept'), [{ n: 7 }]);
  });

  it('keeps every acknowledged write over kill -9 of the process', async () => {
    const data = join(folder, 'killed');
    const program = new URL('./kill-writer.fixture.ts', import.meta.url).pathname;
    for (let round = 0; round < 2; round += 1) {
      const child = spawn(process.execPath, [program, data], { stdio: ['ignore', 'pipe', 'inherit'] });
      let acknowledged = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        if (line.startsWith('ack ')) acknowledged = Number(line.slice(4));
        if (line === `ack ${(round + 1) * 20}`) child.kill('SIGKILL');
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      await using store = await openServerStore(await pgliteRunner({ folder: data }), { clock });
      const rows = (await store.everything()).servers;
      assert.ok(rows.length >= acknowledged, `${rows.length} rows, ${acknowledged} acknowledged`);
      assert.equal(await store.revision(), rows.length);
      assert.equal((await store.outbox(10_000)).length, rows.length);
    }
  });

  it('makes the database anew where its first making was cut off', async () => {
    const data = join(folder, 'cut');
    const program = new URL('./kill-writer.fixture.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [program, data], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.resume();
    const exit = once(child, 'exit');
    for await (const _ of setInterval(5)) if (existsSync(join(data, 'pgdata', 'base'))) break;
    child.kill('SIGKILL');
    await exit;
    assert.equal(existsSync(join(data, 'complete')), false, 'the kill came before the end of the making');
    await using store = await openServerStore(await pgliteRunner({ folder: data }), { clock });
    assert.equal(await store.revision(), 0);
  });

  it('migrates down to nothing and up again', async () => {
    assert.deepEqual(await migrateUp(runner), []);
    assert.deepEqual(await migrateDown(runner), [...migrations].reverse());
    assert.deepEqual(await publicTables(runner), []);
    assert.deepEqual(await migrateUp(runner), migrations);
  });
});
