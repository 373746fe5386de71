/** Which server suites run over which fixture, and how they are run. */

import {
  startConformanceServer,
  stdioConformance,
  type ConformanceServer,
  type StdioFixture,
} from '@cruvero/testkit';
import { always, legacyOverModern, modernOverLegacy } from './expectations.ts';
import type { Entries } from './gateway.ts';
import { namesOf, requirements, runServerScenarios, type Selection } from './official.ts';
import type { Expectations, SuiteOutcome } from './verdicts.ts';

export type FixtureName = 'both' | 'legacy' | 'modern' | 'sse' | 'stdio-legacy' | 'stdio-modern';

export interface ServerSuite {
  readonly title: string;
  readonly fixture: FixtureName;
  readonly selection: Selection;
  readonly expected: Expectations;
  /** False: only shown. */
  readonly counts: boolean;
}

const legacy = '2025-11-25';
const modern = '2026-07-28';

const skills: Selection = {
  kind: 'scenarios',
  version: modern,
  names: ['sep-2640-skills-directory', 'sep-2640-skills-enumeration', 'sep-2640-skills-manifest'],
};

const required = (version: string): Selection => ({ kind: 'required', version });
const all = (version: string): Selection => ({ kind: 'all', version });

function suite(
  fixture: FixtureName,
  selection: Selection,
  expected: Expectations = always,
  counts = true,
): ServerSuite {
  const what = selection.kind === 'scenarios' ? `${selection.version} skills` : selection.version;
  return { title: `${what} over ${fixture}`, fixture, selection, expected, counts };
}

/** Straight at the fixtures. */
export const directSuites: readonly ServerSuite[] = [
  suite('both', required(legacy)),
  suite('both', required(modern)),
  suite('both', all('2025-06-18')),
  suite('both', all('2025-03-26')),
  suite('both', skills),
  suite('legacy', required(legacy)),
  suite('modern', required(modern)),
];

export const sameEraSuites: readonly ServerSuite[] = [
  suite('legacy', required(legacy)),
  suite('modern', required(modern)),
  suite('legacy', all('2025-06-18')),
  suite('legacy', all('2025-03-26')),
  suite('modern', skills),
];

export const bridgedSuites: readonly ServerSuite[] = [
  suite('legacy', required(modern), modernOverLegacy),
  suite('modern', required(legacy), legacyOverModern),
];

export const transportSuites: readonly ServerSuite[] = [
  suite('sse', required(legacy), always, false),
  suite('sse', required(modern), modernOverLegacy, false),
  suite('stdio-legacy', required(legacy), always, false),
  suite('stdio-legacy', required(modern), modernOverLegacy, false),
  suite('stdio-modern', required(legacy), legacyOverModern, false),
  suite('stdio-modern', required(modern), always, false),
];

export interface Fixtures extends AsyncDisposable {
  /** As cruvero.json names them. */
  readonly entries: Entries;
  /** Of a fixture that is reached over HTTP. */
  url(name: FixtureName): string;
}

/** Starts the fixtures that these suites need. */
export async function startFixtures(suites: readonly ServerSuite[]): Promise<Fixtures> {
  await using started = new AsyncDisposableStack();
  const entries: Record<string, Entries[string]> = {};
  const urls = new Map<FixtureName, string>();
  for (const name of new Set(suites.map(({ fixture }) => fixture))) {
    const command = stdioFixture(name);
    if (command) {
      entries[name] = { command: command.command, args: command.args };
      continue;
    }
    const server = started.use(await httpFixture(name));
    urls.set(name, server.url);
    entries[name] = { type: server.transport, url: server.url };
  }
  const all = started.move();
  return {
    entries,
    url: (name) => urls.get(name) ?? fail(name),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

function stdioFixture(name: FixtureName): StdioFixture | undefined {
  if (name === 'stdio-legacy') return stdioConformance('legacy');
  return name === 'stdio-modern' ? stdioConformance('modern') : undefined;
}

function httpFixture(name: FixtureName): Promise<ConformanceServer> {
  if (name === 'sse') return startConformanceServer({ eras: 'legacy', transport: 'sse' });
  return startConformanceServer({ eras: name === 'legacy' || name === 'modern' ? name : 'both' });
}

function fail(name: FixtureName): never {
  throw new Error(`${name} is not reached over HTTP`);
}

/** Runs one suite; `scenario` leaves only that one of it. Undefined where it does not have that scenario. */
export async function runSuite(
  suite: ServerSuite,
  url: string,
  scenario?: string,
): Promise<SuiteOutcome | undefined> {
  const names = await namesOf('server', suite.selection);
  if (scenario !== undefined && !names.includes(scenario)) return undefined;
  const { version } = suite.selection;
  const selection: Selection =
    scenario === undefined ? suite.selection : { kind: 'scenarios', version, names: [scenario] };
  const startMs = performance.now();
  const results = await runServerScenarios(url, selection);
  const demanded =
    suite.selection.kind === 'required' ? (await requirements('server', version)).required : names;
  return {
    title: suite.title,
    counts: suite.counts,
    required: demanded,
    results,
    expected: suite.expected,
    tookMs: performance.now() - startMs,
  };
}
