/** The store on a real PostgreSQL: the contract, several processes at once, and a database that goes away. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ServerName, TenantId } from '@cruvero/core';
import { StoreUnavailable } from '@cruvero/ports';
import type { ServerStore } from '@cruvero/ports';
import { serverStoreContract } from '@cruvero/ports/contracts/server-store';
import { startPostgres } from '@cruvero/stack';
import type { Server } from '@cruvero/stack';
import { MemoryTelemetry } from '@cruvero/testkit';
import { lent } from './lent-runner.fixture.ts';
import { migrateDown, migrateUp } from './migrate.ts';
import { databaseLabel, pgRunner } from './pg-runner.ts';
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
const tenantId = 'default' as TenantId;
const put = (store: ServerStore, name: string, version: string) =>
  store.transaction(async (tx) => {
    await tx.upsert({
      tenantId,
      name: name as ServerName,
      transport: 'http',
      debug: false,
      source: 'api',
      status: 'active',
      toolCount: 0,
      version,
      healthStatus: 'unknown',
    });
    return tx.bumpRevision();
  });

describe('PostgreSQL', () => {
  let server: Server;
  let runner: SqlRunner;
  const { log, lines } = new MemoryTelemetry();
  before(async () => {
    server = await startPostgres();
    runner = pgRunner({ url: server.url, log });
    await migrateUp(runner);
  });
  after(async () => {
    await runner[Symbol.asyncDispose]();
    await server.stop();
  });

  serverStoreContract('PostgreSQL', async (storeClock) => {
    await emptyTables(runner);
    return openServerStore(lent(runner), { clock: storeClock, migrate: false });
  });

  it('serialises the writers of two processes', async () => {
    await emptyTables(runner);
    await using a = await openServerStore(pgRunner({ url: server.url, log }), { clock });
    await using b = await openServerStore(pgRunner({ url: server.url, log }), { clock });
    const revisions = await Promise.all(
      Array.from({ length: 20 }, (_, i) => put(i % 2 === 0 ? a : b, 'same', String(i))),
    );
    assert.equal(new Set(revisions).size, 20);
    assert.equal(await a.revision(), 20);
    assert.equal((await b.list(tenantId)).length, 1);
  });

  it('runs migrations of several starters at once one time only, down to nothing and up again', async () => {
    assert.deepEqual(await migrateDown(runner), [...migrations].reverse());
    assert.deepEqual(await publicTables(runner), []);
    const others = [pgRunner({ url: server.url, log }), pgRunner({ url: server.url, log })];
    const ran = await Promise.all([runner, ...others].map((each) => migrateUp(each)));
    assert.deepEqual(ran.flat().sort(), migrations);
    for (const other of others) await other[Symbol.asyncDispose]();
  });

  it('says StoreUnavailable while the server is gone and goes on by itself when it is back', async () => {
    await emptyTables(runner);
    const store = await openServerStore(lent(runner), { clock });
    await put(store, 'before', '1');
    await server.kill('SIGKILL');
    await assert.rejects(store.ping(), StoreUnavailable);
    await assert.rejects(put(store, 'during', '1'), StoreUnavailable);
    await assert.rejects(store.everything(), StoreUnavailable);
    await server.restart();
    await put(store, 'after', '1');
    assert.deepEqual(
      (await store.list(tenantId)).map((row) => row.name),
      ['after', 'before'],
    );
  });

  it('a transaction whose connection is cut leaves nothing and takes no connection with it', async () => {
    await emptyTables(runner);
    const store = await openServerStore(lent(runner), { clock });
    const cut = store.transaction(async (tx) => {
      await tx.putProfile({ name: 'half', rateLimit: 1, rateBurst: 1, enforcementMode: 'audit' });
      await runner.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'cruvero-registry' AND pid <> pg_backend_pid()`);
      await tx.bumpRevision();
    });
    await assert.rejects(cut, StoreUnavailable);
    assert.deepEqual(await store.profiles(), []);
    await Promise.all(Array.from({ length: 16 }, () => store.ping()));
  });

  it('a statement that takes too long is StoreUnavailable, one that is wrong is not', async () => {
    const hasty = pgRunner({ url: server.url, log, statementTimeoutMs: 100 });
    await assert.rejects(hasty.query('SELECT pg_sleep(5)'), StoreUnavailable);
    await assert.rejects(
      hasty.query('SELECT no_such_column'),
      (error) => !(error instanceof StoreUnavailable),
    );
    await hasty[Symbol.asyncDispose]();
  });

  it('says neither password nor user of the URL', async () => {
    const url = 'postgres://someone:s3cret@127.0.0.1:1/db';
    const away = pgRunner({ url, log, connectTimeoutMs: 500 });
    await assert.rejects(
      away.query('SELECT 1'),
      (error) => error instanceof StoreUnavailable && !/s3cret/.test(error.message),
    );
    assert.equal(databaseLabel(url), '127.0.0.1:1/db');
    assert.doesNotMatch(JSON.stringify(lines), /s3cret|someone/);
    await away[Symbol.asyncDispose]();
  });
});
