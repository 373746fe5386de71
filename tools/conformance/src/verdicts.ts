/** What the results of a suite mean: which of them were to be expected, and the table of them all. */

import type { ScenarioResult, Status } from './official.ts';

/** A scenario that cannot pass, and why. */
export interface Expectation {
  readonly is: Exclude<Status, 'passed'>;
  readonly why: string;
  /** Only these of its checks may fail; left out: any. */
  readonly checks?: readonly string[];
  /** True where a pass is as good. */
  readonly mayPass?: true;
}

export type Expectations = Readonly<Record<string, Expectation>>;

export interface SuiteOutcome {
  readonly title: string;
  /** False for a suite that is only shown. */
  readonly counts: boolean;
  /** Scenarios that the revision demands; all where no revision is asked. */
  readonly required: readonly string[];
  readonly results: readonly ScenarioResult[];
  readonly expected: Expectations;
  readonly tookMs: number;
}

export interface Verdict {
  readonly requiredPassed: number;
  readonly requiredTotal: number;
  readonly otherPassed: number;
  readonly otherTotal: number;
  /** Not passed, as expected. */
  readonly expected: readonly ScenarioResult[];
  /** Not as expected: failed, or passed where that was thought impossible. */
  readonly unexpected: readonly ScenarioResult[];
}

export function judge({ required, results, expected }: SuiteOutcome): Verdict {
  const isRequired = new Set(required);
  const scored = results.filter(({ name }) => isRequired.has(name));
  const others = results.filter(({ name }) => !isRequired.has(name));
  const asExpected = (result: ScenarioResult): boolean => isExpected(result, expected[result.name]);
  return {
    requiredPassed: passed(scored),
    requiredTotal: scored.length,
    otherPassed: passed(others),
    otherTotal: others.length,
    expected: results.filter((result) => result.status !== 'passed' && asExpected(result)),
    unexpected: results.filter((result) => !asExpected(result)),
  };
}

function isExpected({ status, problems }: ScenarioResult, expectation: Expectation | undefined): boolean {
  if (!expectation) return status === 'passed';
  if (status === 'passed') return expectation.mayPass === true;
  const { is, checks } = expectation;
  return status === is && problems.every(({ check }) => checks?.includes(check) ?? true);
}

const passed = (results: readonly ScenarioResult[]): number =>
  results.filter(({ status }) => status === 'passed').length;

/** True where nothing that counts was unexpected, and something ran. */
export const isAllExpected = (outcomes: readonly SuiteOutcome[]): boolean =>
  outcomes.length > 0 &&
  outcomes.every((outcome) => !outcome.counts || judge(outcome).unexpected.length === 0);

/** The failing scenarios of one suite, with their checks. */
export function details(outcome: SuiteOutcome): readonly string[] {
  const { expected, unexpected } = judge(outcome);
  const lines: string[] = [];
  for (const { name, status, problems } of unexpected) {
    const expectation = outcome.expected[name];
    const but = expectation ? `, ${expectation.is} was expected: ${expectation.why}` : '';
    lines.push(`  ✗ ${name} ${status}${but}`);
    lines.push(...problems.map(({ check, message }) => `      ${check}: ${message}`));
  }
  for (const { name, status } of expected)
    lines.push(`  ~ ${name} ${status}: ${outcome.expected[name]?.why ?? ''}`);
  return lines.length > 0 ? [outcome.title, ...lines] : [];
}

/** One row a suite. */
export function table(outcomes: readonly SuiteOutcome[]): string {
  const head = ['suite', 'required', 'unscored', 'expected', 'unexpected', 'seconds'];
  const rows = outcomes.map((outcome) => {
    const verdict = judge(outcome);
    const { length: unexpected } = verdict.unexpected;
    return [
      outcome.title,
      of(verdict.requiredPassed, verdict.requiredTotal),
      of(verdict.otherPassed, verdict.otherTotal),
      String(verdict.expected.length),
      outcome.counts ? String(unexpected) : `${unexpected} (shown only)`,
      (outcome.tookMs / 1000).toFixed(1),
    ];
  });
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ');
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

const of = (count: number, total: number): string => (total === 0 ? '' : `${count}/${total}`);

/** The last line of a run. */
export function lastLine(outcomes: readonly SuiteOutcome[]): string {
  const counted = outcomes.filter(({ counts }) => counts);
  const unexpected = counted.reduce((sum, outcome) => sum + judge(outcome).unexpected.length, 0);
  const scenarios = counted.reduce((sum, { results }) => sum + results.length, 0);
  return `${scenarios} scenarios in ${counted.length} suites, ${unexpected} unexpected`;
}
