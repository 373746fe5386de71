/** `npm run check`: types, lint with boundaries, circles, format and tidiness; a table of times, and all output of what failed. */

import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

interface Step {
  readonly name: string;
  /** Arguments for node. */
  readonly args: readonly string[];
}

interface Outcome {
  readonly name: string;
  readonly passed: boolean;
  readonly tookMs: number;
  readonly output: string;
}

const root = join(import.meta.dirname, '../..');
const tsc = 'node_modules/typescript-native/bin/tsc';
const eslint = 'node_modules/eslint/bin/eslint.js';
const prettier = 'node_modules/prettier/bin/prettier.cjs';
const depcruise = 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs';
const formatted = ['**/*.{ts,mjs,cjs,json}', '--log-level', 'warn'];

/** Longest first, so that no lane is left with the long one at the end. */
const steps: readonly Step[] = [
  { name: 'lint, boundaries', args: [eslint, '--max-warnings', '0', '.'] },
  { name: 'types', args: [tsc, '-p', 'tsconfig.json'] },
  { name: 'format', args: [prettier, '--check', ...formatted] },
  { name: 'circles', args: [depcruise, '--config', '.dependency-cruiser.cjs', 'apps', 'libs', 'tools'] },
  { name: 'core is pure', args: [tsc, '-p', 'libs/core/tsconfig.json'] },
  { name: 'tidy', args: ['tools/tidy/tidy.ts'] },
];

const fixes: readonly Step[] = [
  { name: 'lint --fix', args: [eslint, '--fix', '.'] },
  { name: 'format --write', args: [prettier, '--write', ...formatted] },
];

const stepMsMax = 300_000;
const outputBytesMax = 8 * 1024 * 1024;

function run({ name, args }: Step): Promise<Outcome> {
  const startMs = performance.now();
  const limits = { cwd: root, maxBuffer: outputBytesMax, timeout: stepMsMax };
  return new Promise((resolve) => {
    execFile(process.execPath, [...args], limits, (error, stdout, stderr) => {
      const tookMs = performance.now() - startMs;
      const ending = error && typeof error.code !== 'number' ? `\n${error.message}` : '';
      resolve({ name, passed: error === null, tookMs, output: `${stdout}${stderr}${ending}`.trim() });
    });
  });
}

/** Runs all steps, at most `lanes` at a time; outcomes in the order of the steps. */
async function runAll(all: readonly Step[], lanes: number): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < all.length; at = next++) {
      const step = all[at];
      if (step) outcomes[at] = await run(step);
    }
  };
  await Promise.all(Array.from({ length: Math.min(lanes, all.length) }, lane));
  return outcomes;
}

function print(outcomes: readonly Outcome[], wholeMs: number): void {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1).padStart(6)} s`;
  for (const { name, output, passed } of outcomes) {
    if (!passed) console.log(`\n──── ${name} ────\n${output}\n`);
  }
  for (const { name, passed, tookMs } of outcomes) {
    console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name.padEnd(18)} ${seconds(tookMs)}`);
  }
  console.log(`${' '.repeat(8)}${'in all'.padEnd(18)} ${seconds(wholeMs)}`);
}

const startMs = performance.now();
/** Fixes rewrite files, so they go one after another and before anything is looked at; what they cannot fix, the steps tell. */
const fixing = process.argv.includes('--fix') ? await runAll(fixes, 1) : [];
const outcomes = await runAll(steps, Math.max(2, Math.min(4, availableParallelism())));
print(
  [...fixing.filter(({ name, passed }) => passed || name.startsWith('format')), ...outcomes],
  performance.now() - startMs,
);
if (outcomes.some(({ passed }) => !passed)) process.exitCode = 1;
