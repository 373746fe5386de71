/** Runs the official conformance program and reads what it wrote: checks as values, never its text for people. */

import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Leg = 'server' | 'client';

/** `required`: what a revision demands, and what it runs unscored. `all`: every scenario that a revision knows. */
export type Selection =
  | { readonly kind: 'required'; readonly version: string }
  | { readonly kind: 'all'; readonly version: string }
  | { readonly kind: 'scenarios'; readonly version: string; readonly names: readonly string[] };

export type Status = 'passed' | 'failed' | 'warned' | 'skipped';

/** A check that failed or gave a warning. */
export interface Problem {
  readonly check: string;
  readonly message: string;
}

export interface ScenarioResult {
  readonly name: string;
  readonly status: Status;
  readonly problems: readonly Problem[];
}

interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'SKIPPED' | 'INFO';
  readonly errorMessage?: string;
}

export interface RunOptions {
  /** Of one scenario. */
  readonly scenarioMsMax?: number;
  /** Of the whole run; whatever has no result by then counts as failed. */
  readonly runMsMax?: number;
}

const program = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'));

/** Runs server scenarios against an endpoint, one after the other. */
export async function runServerScenarios(
  url: string,
  selection: Selection,
  { scenarioMsMax = 20_000, runMsMax = 240_000 }: RunOptions = {},
): Promise<readonly ScenarioResult[]> {
  const names = await namesOf('server', selection);
  const base = ['server', '--url', url, '--timeout', String(scenarioMsMax)];
  const runs: (readonly string[])[] =
    selection.kind === 'required'
      ? [['--requirements', selection.version]]
      : selection.kind === 'all'
        ? [['--suite', 'all', '--spec-version', selection.version]]
        : names.map((name) => ['--scenario', name, '--spec-version', selection.version, '--force']);
  return inFolder(async (folder) => {
    const untilMs = performance.now() + runMsMax;
    for (const run of runs)
      await runProgram([...base, ...run, '-o', folder], Math.max(1, untilMs - performance.now()));
    return resultsIn(folder, 'server', names);
  });
}

/** Runs one client scenario: the program starts a server of its own and then `command <url>`. */
export async function runClientScenario(
  command: string,
  name: string,
  version: string,
  scenarioMsMax = 60_000,
): Promise<ScenarioResult> {
  return inFolder(async (folder) => {
    const args = ['client', '--command', command, '--scenario', name, '--spec-version', version, '--force'];
    const run = [...args, '--timeout', String(scenarioMsMax), '-o', folder];
    await runProgram(run, scenarioMsMax + 20_000);
    const [result = missing(name)] = await resultsIn(folder, 'client', [name]);
    const failure = await failureOf(folder);
    if (failure === undefined) return result;
    return { name, status: 'failed', problems: [...result.problems, { check: 'driver', message: failure }] };
  });
}

/** The scenarios that a selection runs, in the program's order. */
export async function namesOf(leg: Leg, selection: Selection): Promise<readonly string[]> {
  if (selection.kind === 'scenarios') return selection.names;
  if (selection.kind === 'required') {
    const { required, unscored } = await requirements(leg, selection.version);
    return [...required, ...unscored];
  }
  const listed = await list(`--${leg}`);
  return [...listed.matchAll(/^ +- (\S+) \[([^\]]*)\]$/gm)]
    .filter(([, , versions]) => versions?.split(',').includes(selection.version))
    .map(([, name = '']) => name);
}

/** What a revision demands of one leg, and what it runs without counting it. */
export async function requirements(
  leg: Leg,
  version: string,
): Promise<{ readonly required: readonly string[]; readonly unscored: readonly string[] }> {
  const listed = await list('--requirements', version);
  const sections = listed.split(/^(?=\S)/m);
  const section = sections.find((text) => text.toLowerCase().startsWith(`${leg} scenarios`)) ?? '';
  const required = [...section.matchAll(/^ +- (\S+)$/gm)].map(([, name = '']) => name);
  const unscored = [...listed.matchAll(/^ +- (\S+) \[(\w+)\]$/gm)]
    .filter(([, , of]) => of === leg)
    .map(([, name = '']) => name);
  if (required.length === 0) throw new Error(`no requirements of ${version} for a ${leg} were listed`);
  return { required, unscored };
}

const listings = new Map<string, Promise<string>>();

/** It lists the same every time. */
function list(...args: readonly string[]): Promise<string> {
  const key = args.join(' ');
  const known = listings.get(key) ?? runProgram(['list', ...args], 30_000);
  listings.set(key, known);
  return known;
}

/** What is in an output folder; a scenario without a result counts as failed. */
export async function resultsIn(
  folder: string,
  leg: Leg,
  names: readonly string[],
): Promise<readonly ScenarioResult[]> {
  const found = new Map<string, ScenarioResult>();
  for (const entry of await readdir(folder)) {
    const name = scenarioOf(entry, leg);
    const text = name && (await readFile(join(folder, entry, 'checks.json'), 'utf8').catch(() => undefined));
    if (name && text) found.set(name, resultOf(name, JSON.parse(text) as readonly Check[]));
  }
  return names.map((name) => found.get(name) ?? missing(name));
}

export function resultOf(name: string, checks: readonly Check[]): ScenarioResult {
  const has = (status: Check['status']): boolean => checks.some((check) => check.status === status);
  const problems = checks
    .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
    .map(({ id, errorMessage }) => ({ check: id, message: firstLines(errorMessage ?? 'no message') }));
  const worst = has('FAILURE') ? 'failed' : has('WARNING') ? 'warned' : undefined;
  return { name, status: worst ?? (has('SUCCESS') ? 'passed' : 'skipped'), problems };
}

const missing = (name: string): ScenarioResult => ({
  name,
  status: 'failed',
  problems: [{ check: 'result', message: 'there is none: it did not run, or not to its end' }],
});

/** `server-tools-list-2026-01-31T10-20-30-400Z` is `tools-list`. */
function scenarioOf(entry: string, leg: Leg): string | undefined {
  const found = /^(.+)-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}-\d{3}Z$/.exec(entry)?.[1];
  return leg === 'server' ? found?.replace(/^server-/, '') : found;
}

const firstLines = (text: string): string => text.split('\n').slice(0, 3).join(' ').slice(0, 600);

/** Begins what a driver says on standard error when it could not do what the scenario waits for. */
export const failureMark = 'driver failed: ';

async function failureOf(folder: string): Promise<string | undefined> {
  for (const entry of await readdir(folder)) {
    const text = await readFile(join(folder, entry, 'stderr.txt'), 'utf8').catch(() => '');
    const at = text.indexOf(failureMark);
    if (at >= 0)
      return text
        .slice(at + failureMark.length)
        .trim()
        .slice(0, 900);
  }
  return undefined;
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cruvero-conformance-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Its exit code says what the checks say, so it is not looked at. @returns standard output. */
async function runProgram(args: readonly string[], withinMs: number): Promise<string> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: Math.ceil(withinMs),
    killSignal: 'SIGKILL',
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, NO_COLOR: '1' },
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const end = Promise.withResolvers<void>();
  child.once('error', end.reject);
  child.once('close', () => end.resolve());
  await end.promise;
  return said;
}
