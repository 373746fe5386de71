/** `npm test`: runs every test file in phases and closes with one line, `N passed, M failed`. */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import type { Coverage } from './coverage.ts';
import { findTestFiles, phasesOf } from './phases.ts';
import type { Phase } from './phases.ts';
import { eachOf } from './pool.ts';
import { failureText, fileLine, phaseLine, slowest, totals } from './summary.ts';
import { runTestFile } from './test-file.ts';
import type { FileResult } from './test-file.ts';

const coverageGatePercent = 85;
const help = `npm test -- [--coverage] [--coverage-gate] [part of a path …]

  part of a path    runs only the test files whose path contains it: libs/core, apps/e2e, servers.test
  --coverage        measures line coverage, writes coverage/lcov.info and prints a table
  --coverage-gate   the same, and fails when a library is below ${coverageGatePercent} %
  --root <folder>   another checkout than this one`;

interface Options {
  readonly root: string;
  readonly filters: readonly string[];
  readonly coverage: boolean;
  readonly gate: boolean;
}

const options = readOptions();
if (options) process.exitCode = (await runAll(options)) ? 0 : 1;

function readOptions(): Options | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      coverage: { type: 'boolean', default: false },
      'coverage-gate': { type: 'boolean', default: false },
      root: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    say(help);
    return undefined;
  }
  const gate = values['coverage-gate'];
  const root = values.root ?? fileURLToPath(new URL('../..', import.meta.url));
  return { root: resolve(root), filters: positionals, coverage: values.coverage || gate, gate };
}

/** @returns true when at least one test ran and none failed. */
async function runAll({ root, filters, coverage, gate }: Options): Promise<boolean> {
  stopOnSignal();
  const parts = coverage ? emptyFolder(join(root, 'coverage', 'parts')) : undefined;
  const results: FileResult[] = [];
  for (const phase of phasesOf(findTestFiles(root), filters)) {
    results.push(...(await runPhase(root, phase, parts)));
  }
  const failed = results.filter((result) => result.failed > 0);
  if (results.length > 1) say(`\n${slowest(results)}`);
  const covered = parts === undefined || (await tellCoverage(root, parts, gate));
  for (const result of failed) say(`\n${failureText(result)}`);
  if (results.length === 0)
    say(`No test file${filters.length > 0 ? ` matches ${filters.join(' ')}` : ' found'}.`);
  say(`\n${totals(results)}`);
  return covered && failed.length === 0 && results.some(({ passed }) => passed > 0);
}

async function runPhase(root: string, phase: Phase, parts: string | undefined): Promise<FileResult[]> {
  say(`\n${phase.name}`);
  const startMs = performance.now();
  const results = await eachOf(phase.files, phase.serial ? 1 : availableParallelism(), async (path) => {
    const lcovFile = parts === undefined ? undefined : join(parts, `${path.replaceAll('/', '_')}.info`);
    const result = await runTestFile({
      root,
      node: testNode(root),
      path,
      timeoutMs: phase.fileMsMax,
      lcovFile,
    });
    say(fileLine(result));
    return result;
  });
  say(phaseLine(phase.name, results, performance.now() - startMs));
  return results;
}

/** @returns false when the gate is asked for and a library is below it. */
async function tellCoverage(root: string, parts: string, gate: boolean): Promise<boolean> {
  // Loaded here because the compiler that it uses takes a while to load.
  const { addLcov, addUnloaded, belowGate, byProject, coverageTable, toLcov } = await import('./coverage.ts');
  const coverage: Coverage = new Map();
  for (const path of findTestFiles(root)) {
    const part = join(parts, `${path.replaceAll('/', '_')}.info`);
    if (existsSync(part)) addLcov(coverage, readFileSync(part, 'utf8'), root);
  }
  addUnloaded(coverage, root);
  rmSync(parts, { recursive: true, force: true });
  writeFileSync(join(root, 'coverage', 'lcov.info'), toLcov(coverage));
  const projects = byProject(coverage);
  say(`\n${coverageTable(projects)}`);
  if (!gate) return true;
  const below = belowGate(projects, coverageGatePercent);
  for (const { project, percent } of below) {
    say(`${project} has ${percent.toFixed(1)} % line coverage; ${coverageGatePercent} % are asked for`);
  }
  return below.length === 0;
}

/** The pinned Node: this one when it is new enough, the installed one otherwise. */
function testNode(root: string): string {
  const major = Number(process.versions.node.split('.')[0]);
  return major >= 24 ? process.execPath : join(root, 'node_modules/.bin/node');
}

/** The test files' processes are in groups of their own; the reaper ends them when this process is gone. */
function stopOnSignal(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => process.exit(code));
  }
}

function emptyFolder(path: string): string {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
