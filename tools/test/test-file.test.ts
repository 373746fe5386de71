/** Tests of running one test file: each way in which a file can end is counted. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { checkoutOf, sources } from './checkout.fixture.ts';
import { runTestFile } from './test-file.ts';
import type { FileResult } from './test-file.ts';

async function resultOf(source: string, timeoutMs = 20_000): Promise<FileResult> {
  await using checkout = await checkoutOf({ 'libs/a/x.test.ts': source });
  return await runTestFile({
    root: checkout.root,
    node: process.execPath,
    path: 'libs/a/x.test.ts',
    timeoutMs,
  });
}

const countsOf = ({ passed, failed, skipped }: FileResult) => ({ passed, failed, skipped });

describe('runTestFile', () => {
  it('counts what passed and what was skipped', async () => {
    assert.deepEqual(countsOf(await resultOf(sources.passes)), { passed: 1, failed: 0, skipped: 1 });
  });

  it('tells where and why a test failed, by its full name, with what the file wrote', async () => {
    const result = await resultOf(sources.fails);
    assert.deepEqual(countsOf(result), { passed: 1, failed: 1, skipped: 0 });
    const [failure, ...more] = result.failures;
    assert.deepEqual(more, []);
    assert.equal(failure?.test, 'a suite › is not fine');
    assert.match(failure.place, /libs\/a\/x\.test\.ts:2$/);
    assert.match(failure.error, /AssertionError[^]*1 !== 2/);
    assert.equal(result.output, 'words of the file');
  });

  it('counts a file that is killed', async () => {
    const result = await resultOf(sources.crashes);
    assert.deepEqual(countsOf(result), { passed: 0, failed: 1, skipped: 0 });
    assert.equal(result.failures[0]?.error, 'ended (signal SIGKILL) before its tests were done');
  });

  it('counts a file that ends badly after its tests', async () => {
    const result = await resultOf(sources.exits);
    assert.deepEqual(countsOf(result), { passed: 1, failed: 1, skipped: 0 });
    assert.equal(result.failures[0]?.error, 'ended with exit code 9 although no test failed');
  });

  it('kills a file that does not end, and counts that', async () => {
    const result = await resultOf(sources.hangs, 1_500);
    assert.equal(result.failed, 1);
    assert.equal(result.failures[0]?.error, 'did not end within 1.5 s and was killed');
  });

  it('counts a file without a test, and a suite that could not begin', async () => {
    assert.equal((await resultOf(sources.empty)).failures[0]?.error, 'holds no test');
    const hook = await resultOf(sources.hookFails);
    assert.equal(hook.passed, 0);
    assert.ok(hook.failed >= 1);
    assert.match(hook.failures.map(({ error }) => error).join('\n'), /no ground/);
  });
});
