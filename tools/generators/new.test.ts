/** Tests of the generators: what they write is well formatted, type-checks in the real house, and its own test passes. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import * as prettier from 'prettier';
import { generate } from './new.ts';
import { parseName } from './plan.ts';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const runMsMax = 60_000;
let copy: string;

/** A place like the house: its settings, its node_modules (which link the other libs), and the gateway that filters live in. */
before(async () => {
  copy = await mkdtemp(join(tmpdir(), 'cruvero-new-'));
  for (const path of ['package.json', 'tsconfig.json', 'tsconfig.base.json', 'libs/services/gateway/src']) {
    await cp(join(root, path), join(copy, path), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
});

after(() => rm(copy, { recursive: true, force: true }));

/** What the compiler says about these files; other people's files are other people's business. */
async function typeErrors(paths: readonly string[]): Promise<readonly string[]> {
  const tsc = join(root, 'node_modules/typescript-native/bin/tsc');
  const options = { cwd: copy, timeout: runMsMax };
  const said = await run(process.execPath, [tsc, '-p', 'tsconfig.json', '--pretty', 'false'], options).then(
    ({ stdout }) => stdout,
    (error: { readonly stdout?: string }) => error.stdout ?? String(error),
  );
  assert.doesNotMatch(said, /^error TS/m);
  return said.split('\n').filter((line) => paths.some((path) => line.startsWith(path)));
}

async function isFormatted(path: string): Promise<boolean> {
  const config = await prettier.resolveConfig(join(root, path));
  return prettier.check(await readFile(join(copy, path), 'utf8'), { ...config, filepath: path });
}

describe('a generated', () => {
  for (const kind of ['service', 'adapter', 'filter']) {
    it(`${kind} is formatted, type-checks, and passes its test`, async () => {
      const plan = await generate(copy, kind, 'rate-card-of-tools');
      assert.ok(typeof plan !== 'string', String(plan));
      const paths = [...plan.files.keys()];
      assert.ok(plan.next.length > 0);
      for (const path of paths) assert.ok(await isFormatted(path), `${path} is not formatted`);
      assert.deepEqual(await typeErrors(paths), []);
      const tests = paths.filter((path) => path.endsWith('.test.ts'));
      assert.equal(tests.length, 1);
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const { stdout } = await run(process.execPath, ['--test', ...tests], {
        cwd: copy,
        env,
        timeout: runMsMax,
      });
      assert.match(stdout, /pass 1\b/);
      assert.match(stdout, /fail 0\b/);
    });
  }

  it('part never overwrites one that is there', async () => {
    await generate(copy, 'service', 'twin');
    assert.match(String(await generate(copy, 'service', 'twin')), /^already there: /);
  });
});

describe('a request that makes no sense', () => {
  it('is told what kinds there are', async () => {
    assert.equal(await generate(copy, 'lib', 'x'), '"lib" is none of service, adapter, filter');
  });

  it('is told what a name is', async () => {
    for (const name of ['', 'Rate', 'rate_card', '../x', 'rate--card', '-a', '9', 'a'.repeat(41)]) {
      assert.match(String(await generate(copy, 'service', name)), /is no name/);
    }
  });
});

describe('a name', () => {
  it('has its spellings', () => {
    assert.deepEqual(parseName('rate-card2'), {
      kebab: 'rate-card2',
      camel: 'rateCard2',
      pascal: 'RateCard2',
      snake: 'rate_card2',
    });
  });
});
