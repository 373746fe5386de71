/** Tests of `npm test` as a child process: its last line, its exit code, filters and coverage. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { checkoutOf, sources } from './checkout.fixture.ts';
import type { Checkout } from './checkout.fixture.ts';
import { inheritedEnv } from '../stack/src/process.ts';

const runner = fileURLToPath(new URL('./run.ts', import.meta.url));

interface Ended {
  readonly code: number;
  readonly said: string;
  readonly lastLine: string;
}

async function run({ root }: Checkout, ...args: readonly string[]): Promise<Ended> {
  return await new Promise((resolve) => {
    const line = [runner, '--root', root, ...args];
    // The measuring of coverage of these tests must not reach into the one that is tested.
    const { NODE_V8_COVERAGE: _coverage, ...env } = inheritedEnv();
    const child = execFile(process.execPath, line, { env }, (_error, stdout, stderr) => {
      const said = stdout + stderr;
      resolve({ code: child.exitCode ?? -1, said, lastLine: said.trimEnd().split('\n').at(-1) ?? '' });
    });
  });
}

const mixed = {
  'libs/core/src/a.test.ts': sources.passes,
  'libs/adapters/x/src/b.test.ts': sources.fails,
  'apps/e2e/src/c.test.ts': sources.passes,
  'libs/core/node_modules/d/d.test.ts': sources.fails,
};

describe('npm test', () => {
  it('runs the phases in order and closes with the totals', async () => {
    await using checkout = await checkoutOf(mixed);
    const { code, said, lastLine } = await run(checkout);
    assert.equal(lastLine, '3 passed, 1 failed, 2 skipped');
    assert.equal(code, 1);
    const phases = ['unit and contract: 1 passed', 'adapters: 1 passed, 1 failed', 'e2e: 1 passed'];
    const places = phases.map((phase) => said.indexOf(phase));
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
    );
    assert.ok(!places.includes(-1), said);
    assert.match(said, /✖ libs\/adapters\/x\/src\/b\.test\.ts: a suite › is not fine[^]*1 !== 2/);
    assert.match(said, /FAIL .* libs\/adapters\/x\/src\/b\.test\.ts\n +✖ a suite › is not fine: .+\n/);
  });

  it('runs only what is asked for', async () => {
    await using checkout = await checkoutOf(mixed);
    const { code, lastLine } = await run(checkout, 'libs/core');
    assert.deepEqual({ code, lastLine }, { code: 0, lastLine: '1 passed, 0 failed, 1 skipped' });
  });

  it('fails when no test ran', async () => {
    await using checkout = await checkoutOf(mixed);
    const { code, said, lastLine } = await run(checkout, 'libs/nowhere');
    assert.deepEqual({ code, lastLine }, { code: 1, lastLine: '0 passed, 0 failed' });
    assert.match(said, /No test file matches libs\/nowhere\./);
  });

  it('measures coverage over all files, also those that no test loads, and keeps the gate', async () => {
    await using checkout = await checkoutOf({
      'libs/one/src/used.ts':
        'export function used(n: number): number {\n  if (n > 1) {\n    return 9;\n  }\n  return n;\n}\n',
      'libs/one/src/used.test.ts': `import { used } from './used.ts';\n${sources.passes} used(1);`,
      'libs/one/src/more.test.ts': `import { used } from './used.ts';\n${sources.passes} used(0);`,
      'libs/two/src/unused.ts': 'export const a = 1;\nexport const b = 2;\n',
      'libs/two/src/types.ts': 'export interface A {\n  a: 1;\n}\n',
    });
    const { code, said, lastLine } = await run(checkout, '--coverage');
    assert.equal(code, 0, said);
    assert.match(said, /libs\/one +66\.7 % {2}4 of 6 lines/);
    assert.match(said, /libs\/two +0\.0 % {2}0 of 2 lines/);
    assert.doesNotMatch(said, /ExperimentalWarning/);
    assert.equal(lastLine, '2 passed, 0 failed, 2 skipped');
    const lcov = await readFile(join(checkout.root, 'coverage/lcov.info'), 'utf8');
    assert.match(lcov, /SF:libs\/one\/src\/used\.ts\n/);

    const gated = await run(checkout, '--coverage-gate');
    assert.equal(gated.code, 1);
    assert.match(gated.said, /libs\/two has 0\.0 % line coverage; 85 % are asked for/);
    assert.equal(gated.lastLine, '2 passed, 0 failed, 2 skipped');
  });
});
