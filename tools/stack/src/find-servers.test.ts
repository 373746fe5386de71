/** Tests of the search for server programs. */

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { findServers } from './find-servers.mjs';

describe('findServers', () => {
  let root = '';
  const program = async (folder: string, name: string, mode = 0o755): Promise<void> => {
    await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, folder, name), '', { mode });
  };
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'cruvero-find-'));
    await program('bin', 'redis-server');
    await program('bin', 'nats-server', 0o644);
    for (const major of ['9', '15', '16']) await program(`pg/${major}/bin`, 'postgres');
    for (const major of ['9', '15']) await program(`pg/${major}/bin`, 'initdb');
  });
  after(async () => await rm(root, { recursive: true }));

  it('takes the newest PostgreSQL that is complete', () => {
    const found = findServers({ folders: [], debianPostgres: join(root, 'pg') });
    assert.equal(found.postgres, join(root, 'pg/15/bin/postgres'));
  });

  it('does not take a file that cannot be run, and names the command that helps', () => {
    const found = findServers({ folders: [join(root, 'bin')], debianPostgres: join(root, 'none') });
    assert.equal(found.redis, join(root, 'bin/redis-server'));
    assert.equal(found.nats, undefined);
    assert.deepEqual(
      found.missing.map(({ name }) => name),
      ['nats', 'postgres'],
    );
    assert.equal(found.aptCommand, 'apt-get install -y --no-install-recommends nats-server postgresql');
  });

  it('misses nginx only where it is needed', () => {
    const places = { folders: [join(root, 'none')], debianPostgres: join(root, 'none') };
    const found = findServers({ ...places, needed: ['nginx'] });
    assert.deepEqual(
      found.missing.map(({ aptPackage }) => aptPackage),
      ['nginx'],
    );
    assert.equal(found.nginx, undefined);
    assert.ok(findServers(places).missing.every(({ name }) => name !== 'nginx'));
  });

  it('has nothing to say when all is there', () => {
    const found = findServers();
    assert.deepEqual(found.missing, []);
    assert.equal(found.aptCommand, undefined);
  });
});
