/** The state file survives what happens to files. */

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { stateFile } from './state-file.ts';

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-state-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

describe('the state file', () => {
  it('is undefined where nothing was written', () =>
    inFolder(async (folder) => {
      assert.equal(await stateFile(join(folder, 'none.json')).read(), undefined);
    }));

  it('gives back what was written last, in a folder that it makes', () =>
    inFolder(async (folder) => {
      const file = stateFile(join(folder, 'deep', 'state.json'));
      await file.write('first');
      await file.write('second ✓');
      assert.equal(await file.read(), 'second ✓');
      assert.deepEqual(await readdir(join(folder, 'deep')), ['state.json']);
    }));

  it('keeps the last whole text when a write was cut short', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'state.json');
      await stateFile(path).write('whole');
      await writeFile(`${path}.new`, 'cut sho');
      assert.equal(await stateFile(path).read(), 'whole');
    }));

  it('can be read by its owner only', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'state.json');
      await stateFile(path).write('x');
      assert.equal((await stat(path)).mode & 0o077, 0);
    }));
});
