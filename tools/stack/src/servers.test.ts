/** Tests of the real servers: start, crash, restart with the same state, stop without a trace. */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { findServers } from './find-servers.mjs';
import { startNats } from './nats.ts';
import { startPostgres } from './postgres.ts';
import { canListen } from './ports.ts';
import { inheritedEnv, isAlive, runCommand } from './process.ts';
import { startRedis } from './redis.ts';
import type { Server } from './server.ts';
import { ask } from './talk.ts';

async function sql(server: Server, query: string): Promise<string> {
  const psql = join(dirname(findServers().postgres ?? ''), 'psql');
  return (
    await runCommand(psql, ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', query, server.url], {
      env: inheritedEnv(),
    })
  ).trim();
}

async function givenFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'given-'));
  await chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) };
}

async function leavesNothing(server: Server): Promise<void> {
  const { pid } = server;
  await server.stop();
  assert.equal(isAlive(pid), false);
  assert.equal(existsSync(server.folder), false);
  assert.equal(await canListen(server.port), true);
  await server.stop();
}

describe('startNats', () => {
  it('serves JetStream, comes back after kill -9 on the same port, and leaves nothing', async () => {
    await using server = await startNats();
    assert.equal(server.url, `nats://127.0.0.1:${server.port}`);
    const first = server.pid;
    const greeting = (await ask(server.port, '')) ?? '';
    assert.match(greeting, /"jetstream":true/);

    await server.kill('SIGKILL');
    assert.equal(server.alive, false);
    assert.equal(await canListen(server.port), true);
    await server.restart();
    assert.notEqual(server.pid, first);
    assert.match((await ask(server.port, '')) ?? '', /^INFO /);
    await leavesNothing(server);
  });

  it('says so when the port is taken', async () => {
    await using server = await startNats();
    await assert.rejects(
      startNats({ port: server.port }),
      /nats-server cannot listen on 127.0.0.1:\d+: the port is taken/,
    );
  });

  it('says what the server said when it cannot start', async () => {
    await using folder = await givenFolder();
    await writeFile(join(folder.path, 'jetstream'), 'a file where a folder should be');
    await assert.rejects(
      startNats({ folder: folder.path }),
      /nats-server ended \(exit code 1\).*jetstream/is,
    );
  });
});

describe('startRedis', () => {
  it('keeps a given folder over kill -9, and leaves the folder when it stops', async () => {
    await using folder = await givenFolder();
    await using server = await startRedis({ folder: folder.path });
    assert.equal(await ask(server.port, 'SET colour blue\r\n'), '+OK\r\n');
    await server.kill();
    await server.restart();
    assert.equal(await ask(server.port, 'GET colour\r\n'), '$4\r\nblue\r\n');
    await server.stop();
    assert.equal(existsSync(folder.path), true);
  });

  it('can be frozen and thawed', async () => {
    await using server = await startRedis();
    await server.kill('SIGSTOP');
    assert.equal(await ask(server.port, 'PING\r\n'), undefined);
    await server.kill('SIGCONT');
    assert.equal(await ask(server.port, 'PING\r\n'), '+PONG\r\n');
    await leavesNothing(server);
  });

  it('stops even while it is frozen', async () => {
    const server = await startRedis();
    await server.kill('SIGSTOP');
    await leavesNothing(server);
  });
});

describe('startPostgres', () => {
  it('keeps what was committed over kill -9, and leaves nothing', async () => {
    await using server = await startPostgres({ database: 'over_the_edge' });
    await sql(server, 'CREATE TABLE t (n int); INSERT INTO t VALUES (41)');
    await server.kill('SIGKILL');
    await server.restart();
    assert.equal(await sql(server, 'SELECT n + 1 FROM t'), '42');
    assert.equal(await sql(server, 'SHOW fsync'), 'off');
    assert.equal(await sql(server, 'SELECT current_database()'), 'over_the_edge');
    await leavesNothing(server);
  });

  it("comes back although the crashed server's processes still hold its memory", async () => {
    await using server = await startPostgres();
    process.kill(server.pid, 'SIGKILL');
    await server.restart();
    assert.equal(await sql(server, 'SELECT 1'), '1');
  });

  it('starts several at once, each with data of its own', async () => {
    await using one = await startPostgres();
    const [two, three] = await Promise.all([startPostgres(), startPostgres()]);
    await using _two = two;
    await using _three = three;
    await sql(one, 'CREATE TABLE only_here ()');
    for (const other of [two, three])
      assert.equal(await sql(other, "SELECT to_regclass('only_here') IS NULL"), 't');
  });

  it('keeps a given folder with fsync on and asks for its password', async () => {
    await using folder = await givenFolder();
    const first = await startPostgres({ folder: folder.path });
    await sql(first, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');
    assert.equal(await sql(first, 'SHOW fsync'), 'on');
    const password = (await readFile(join(folder.path, 'password'), 'utf8')).trim();
    assert.equal((await stat(join(folder.path, 'password'))).mode & 0o777, 0o600);
    assert.equal(new URL(first.url).password, password);
    const stranger = first.url.replace(password, 'guess');
    const psql = join(dirname(findServers().postgres ?? ''), 'psql');
    await assert.rejects(runCommand(psql, ['-c', 'SELECT 1', stranger]), /password authentication failed/);
    await first.stop();

    await using second = await startPostgres({ folder: folder.path });
    assert.equal(await sql(second, 'SELECT n FROM kept'), '7');
  });

  it('keeps its data elsewhere when root gives it a folder that its account cannot enter', async (t) => {
    if (process.getuid?.() !== 0) return t.skip('needs root');
    await using folder = await givenFolder();
    await chmod(folder.path, 0o700);
    const first = await startPostgres({ folder: folder.path });
    await sql(first, 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');
    await first.stop();
    const second = await startPostgres({ folder: folder.path });
    const home = dirname(await sql(second, 'SHOW data_directory'));
    assert.notEqual(home, folder.path);
    assert.equal(await sql(second, 'SELECT n FROM kept'), '7');
    await second.stop();

    // A folder that was emptied starts anew.
    await rm(join(folder.path, 'password'));
    const third = await startPostgres({ folder: folder.path });
    assert.equal(await sql(third, "SELECT to_regclass('kept') IS NULL"), 't');
    await third.stop();
    await rm(home, { recursive: true });
  });

  it('refuses a database name that could be more than a name', async () => {
    await assert.rejects(startPostgres({ database: 'a; DROP' }), /not a database name/);
  });
});
