/** Small checkouts with test files that pass, fail, crash and hang, for the tests of the test runner. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const imports =
  "import assert from 'node:assert/strict'; import { before, describe, it } from 'node:test';\n";

export const sources = {
  passes: `${imports} it('is fine', () => undefined); it.skip('is for later', () => undefined);`,
  fails: `${imports} describe('a suite', () => { it('is not fine', () => assert.equal(1, 2)); it('is fine', () => undefined); });
    console.log('words of the file');`,
  crashes: `${imports} it('never gets to its end', async () => { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); });`,
  exits: `${imports} it('is fine', () => undefined); process.on('exit', () => { process.exitCode = 9; });`,
  hangs: `${imports} it('is fine', () => undefined); setInterval(() => undefined, 1000);`,
  empty: `${imports}`,
  hookFails: `${imports} describe('a suite', () => { before(() => { throw new Error('no ground'); }); it('is never run', () => undefined); });`,
} as const;

export interface Checkout extends AsyncDisposable {
  readonly root: string;
}

/** A folder with these files, removed at the end. */
export async function checkoutOf(files: Readonly<Record<string, string>>): Promise<Checkout> {
  const root = await mkdtemp(join(tmpdir(), 'cruvero-checkout-'));
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return { root, [Symbol.asyncDispose]: async () => await rm(root, { recursive: true, force: true }) };
}
