/** Runs one test file in a process of its own, within a bound, and says what came of it. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Running, describeExit, inheritedEnv } from '../stack/src/process.ts';
import { noCounts } from './reporter.ts';
import type { Failure, Line } from './reporter.ts';

export interface FileRun {
  /** The checkout. */
  readonly root: string;
  readonly node: string;
  /** Relative to the checkout. */
  readonly path: string;
  readonly timeoutMs: number;
  /** Where to write line coverage; none is measured when left out. */
  readonly lcovFile?: string | undefined;
}

export interface FileResult {
  readonly path: string;
  readonly tookMs: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly Failure[];
  /** The end of what the file's process wrote itself. */
  readonly output: string;
}

const reporter = new URL('./reporter.ts', import.meta.url).href;
const outputLinesMax = 120;

export async function runTestFile(run: FileRun): Promise<FileResult> {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-test-run-'));
  try {
    const linesFile = join(folder, 'lines');
    const startMs = performance.now();
    const running = new Running({
      command: run.node,
      args: argumentsOf(run, linesFile),
      cwd: run.root,
      env: inheritedEnv(),
    });
    const inTime = await running.ended(run.timeoutMs);
    await running.endGroup();
    const tookMs = performance.now() - startMs;
    const trouble = inTime ? undefined : `did not end within ${run.timeoutMs / 1000} s and was killed`;
    const lines = parseLines(await readFile(linesFile, 'utf8').catch(() => ''));
    return { path: run.path, tookMs, ...judge(lines, running, trouble), output: ownWords(running) };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function argumentsOf({ path, lcovFile }: FileRun, linesFile: string): string[] {
  const coverage =
    lcovFile === undefined
      ? []
      : [
          '--experimental-test-coverage',
          '--test-coverage-include={libs,apps,tools}/**/*.ts',
          ...['**/*.test.ts', '**/*.fixture.ts', '**/node_modules/**'].map(
            (each) => `--test-coverage-exclude=${each}`,
          ),
          '--test-reporter=lcov',
          `--test-reporter-destination=${lcovFile}`,
        ];
  // No isolation: this process is the isolation.
  const own = [
    '--test',
    '--test-isolation=none',
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${linesFile}`,
  ];
  return [...own, ...coverage, path];
}

function parseLines(text: string): Line[] {
  // The last line may be cut off when the process was killed.
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

type Judgement = Pick<FileResult, 'passed' | 'failed' | 'skipped' | 'failures'>;

/** Adds one failure for a file that went wrong as a whole, so that nothing gets lost between the tests. */
function judge(lines: readonly Line[], running: Running, trouble: string | undefined): Judgement {
  const failures: Failure[] = lines.filter((line) => line.line === 'failure');
  const counts = lines.find((line) => line.line === 'counts')?.counts;
  const { passed, skipped, todo, tests } = counts ?? noCounts;
  // A failing hook may fail a suite and none of its tests.
  const failedTests = Math.max(tests - passed - skipped - todo, failures.length);
  const whole = trouble ?? wholeFileTrouble(running, counts === undefined, tests, failedTests);
  const judged = { passed, skipped: skipped + todo };
  if (whole === undefined) return { ...judged, failed: failedTests, failures };
  const failure: Failure = { test: 'the file as a whole', place: '', error: whole };
  return { ...judged, failed: failedTests + 1, failures: [...failures, failure] };
}

function wholeFileTrouble(
  { exit }: Running,
  cutShort: boolean,
  tests: number,
  failedTests: number,
): string | undefined {
  const how = exit === undefined ? 'no end' : describeExit(exit);
  if (cutShort) return `ended (${how}) before its tests were done`;
  if (exit?.code !== 0 && failedTests === 0) return `ended with ${how} although no test failed`;
  return tests === 0 ? 'holds no test' : undefined;
}

/** Without the one warning about measuring coverage itself. */
function ownWords({ output }: Running): string {
  return output
    .logTail(outputLinesMax)
    .split('\n')
    .filter((line) => !/ExperimentalWarning: .*(coverage|glob)/i.test(line))
    .join('\n')
    .trim();
}
