/** Proves that dependency-cruiser, set up as here, finds circles of types too, dead ends, and tests that code stands on. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { it } from 'node:test';

const root = join(import.meta.dirname, '../..');
const settings = '.dependency-cruiser.cjs';
const program = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');

/** What is found in a house of these files: `rule: from`, sorted. */
async function found(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
  await using house = await emptyHouse();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(house.folder, path)), { recursive: true });
    await writeFile(join(house.folder, path), text);
  }
  const args = [program, '--config', settings, '--output-type', 'json', 'libs'];
  const json = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { cwd: house.folder, timeout: 60_000 }, (_error, stdout) =>
      resolve(stdout),
    );
  });
  const report: { summary: { violations: { from: string; rule: { name: string } }[] } } = JSON.parse(json);
  return report.summary.violations.map(({ from, rule }) => `${rule.name}: ${from}`).sort();
}

async function emptyHouse(): Promise<AsyncDisposable & { readonly folder: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-circles-'));
  for (const path of [settings, 'tsconfig.json', 'tsconfig.base.json', 'package.json']) {
    await cp(join(root, path), join(folder, path));
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return { folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

it('finds a circle of types alone', async () => {
  const files = {
    'libs/a/src/one.ts': "import type { Two } from './two.ts';\nexport interface One { two: Two }\n",
    'libs/a/src/two.ts': "import type { One } from './one.ts';\nexport interface Two { one: One }\n",
  };
  assert.deepEqual(await found(files), ['no-circle: libs/a/src/one.ts']);
});

it('finds a circle that goes through an index', async () => {
  const files = {
    'libs/a/src/index.ts': "export * from './one.ts';\nexport * from './two.ts';\n",
    'libs/a/src/one.ts': "import { two } from './index.ts';\nexport const one = () => two;\n",
    'libs/a/src/two.ts': 'export const two = 2;\n',
  };
  assert.deepEqual(await found(files), ['no-circle: libs/a/src/index.ts']);
});

it('finds an import of nothing, and code that stands on a fixture', async () => {
  const files = {
    'libs/a/src/one.ts': "import './two.ts';\nexport * from './three.fixture.ts';\n",
    'libs/a/src/three.fixture.ts': 'export const three = 3;\n',
  };
  assert.deepEqual(await found(files), [
    'no-dead-end: libs/a/src/one.ts',
    'no-test-in-code: libs/a/src/one.ts',
  ]);
});

it('finds nothing where all is well, workspace packages included', async () => {
  const files = {
    'libs/a/src/one.ts': "import type { Clock } from '@cruvero/ports';\nexport type Now = Clock['nowMs'];\n",
    'libs/a/src/one.test.ts': "import './two.fixture.ts';\nimport './one.ts';\n",
    'libs/a/src/two.fixture.ts': "import '@cruvero/ports/contracts/bus';\n",
  };
  assert.deepEqual(await found(files), []);
});
