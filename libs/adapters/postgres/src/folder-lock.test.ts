/** One process has a folder, whatever the one before it left behind and however many come at once. */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { lockFolder } from './folder-lock.ts';

const program = new URL('./lock-taker.fixture.ts', import.meta.url).pathname;

describe('the lock of a folder', { timeout: 30_000 }, () => {
  let folder: string;
  before(async () => void (folder = await mkdtemp(join(tmpdir(), 'cruvero-lock-'))));
  after(() => rm(folder, { recursive: true }));

  async function takers(count: number): Promise<readonly { child: ChildProcess; said: string }[]> {
    const atMs = Date.now() + 1_000;
    const children = Array.from({ length: count }, () =>
      spawn(process.execPath, [program, folder, String(atMs)], { stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    return Promise.all(
      children.map(async (child) => ({ child, said: String((await once(child.stdout, 'data'))[0]).trim() })),
    );
  }

  async function kill(children: readonly { child: ChildProcess }[]): Promise<void> {
    const exits = children.map(({ child }) => once(child, 'exit'));
    for (const { child } of children) child.kill('SIGKILL');
    await Promise.all(exits);
  }

  it('is had by one of several that come in the same moment after kill -9', async () => {
    for (let round = 0; round < 3; round += 1) {
      const said = await takers(4);
      await kill(said);
      assert.deepEqual(said.map((one) => one.said).sort(), ['held', 'refused', 'refused', 'refused']);
    }
  });

  it('is of the folder, by whichever path, and can be had again when it was released', async () => {
    await symlink(folder, `${folder}-link`);
    const lock = await lockFolder(folder);
    await assert.rejects(lockFolder(`${folder}-link`), /in use by another process/);
    await lock.release();
    await (await lockFolder(`${folder}-link`)).release();
    await rm(`${folder}-link`);
  });
});
