/** What results mean, without running anything. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resultOf, type ScenarioResult } from './official.ts';
import {
  details,
  isAllExpected,
  judge,
  lastLine,
  table,
  type Expectations,
  type SuiteOutcome,
} from './verdicts.ts';

const result = (name: string, status: ScenarioResult['status'], ...checks: string[]): ScenarioResult => ({
  name,
  status,
  problems: checks.map((check) => ({ check, message: `${check} went wrong` })),
});

const outcome = (
  results: readonly ScenarioResult[],
  expected: Expectations = {},
  rest: Partial<SuiteOutcome> = {},
): SuiteOutcome => ({
  title: 'suite',
  counts: true,
  required: results.map(({ name }) => name),
  results,
  expected,
  tookMs: 1500,
  ...rest,
});

describe('the verdict on a suite', () => {
  it('counts what is required apart from the rest', () => {
    const results = [result('a', 'passed'), result('b', 'failed', 'x'), result('c', 'passed')];
    const verdict = judge(outcome(results, {}, { required: ['a', 'b'] }));
    assert.deepEqual(
      [verdict.requiredPassed, verdict.requiredTotal, verdict.otherPassed, verdict.otherTotal],
      [1, 2, 1, 1],
    );
    assert.deepEqual(
      verdict.unexpected.map(({ name }) => name),
      ['b'],
    );
  });

  it('takes a failure as expected only where the failing checks are the named ones', () => {
    const expected: Expectations = { a: { is: 'failed', why: 'its wire', checks: ['x'] } };
    assert.equal(isAllExpected([outcome([result('a', 'failed', 'x')], expected)]), true);
    assert.equal(isAllExpected([outcome([result('a', 'failed', 'x', 'y')], expected)]), false);
    assert.equal(isAllExpected([outcome([result('a', 'warned', 'x')], expected)]), false);
  });

  it('reports a pass where none was possible, unless it may pass', () => {
    const impossible = outcome([result('a', 'passed')], { a: { is: 'failed', why: 'its wire' } });
    assert.equal(isAllExpected([impossible]), false);
    assert.match(details(impossible).join('\n'), /✗ a passed, failed was expected: its wire/);
    const possible = outcome([result('a', 'passed')], { a: { is: 'skipped', why: 'so', mayPass: true } });
    assert.equal(isAllExpected([possible]), true);
  });

  it('takes a warning and a scenario that tested nothing as not passed', () => {
    assert.equal(isAllExpected([outcome([result('a', 'warned', 'x')])]), false);
    assert.equal(isAllExpected([outcome([result('a', 'skipped')])]), false);
  });

  it('is not good where nothing ran, and does not count what is only shown', () => {
    assert.equal(isAllExpected([]), false);
    const shown = outcome([result('a', 'failed', 'x')], {}, { counts: false });
    assert.equal(isAllExpected([shown]), true);
    assert.match(table([shown]), /1 \(shown only\)/);
    assert.equal(
      lastLine([shown, outcome([result('b', 'passed')])]),
      '1 scenarios in 1 suites, 0 unexpected',
    );
  });
});

describe('the result of a scenario', () => {
  it('is the worst of its checks, with what they said', () => {
    const checks = [
      { id: 'a', status: 'SUCCESS' },
      { id: 'b', status: 'WARNING', errorMessage: 'hm' },
      { id: 'c', status: 'FAILURE', errorMessage: 'one\ntwo\nthree\nfour' },
    ] as const;
    assert.deepEqual(resultOf('s', checks), {
      name: 's',
      status: 'failed',
      problems: [
        { check: 'b', message: 'hm' },
        { check: 'c', message: 'one two three' },
      ],
    });
    assert.equal(resultOf('s', checks.slice(0, 2)).status, 'warned');
    assert.equal(resultOf('s', checks.slice(0, 1)).status, 'passed');
    assert.equal(resultOf('s', [{ id: 'd', status: 'SKIPPED' }]).status, 'skipped');
  });
});
