/** The gateway as the client: the official program starts a server for each scenario, a driver a gateway in front of it. */

import { join } from 'node:path';
import { requirements, runClientScenario, type ScenarioResult } from './official.ts';
import { eachOf } from './pool.ts';
import { root } from './program.ts';
import type { Expectations, SuiteOutcome } from './verdicts.ts';

/** Each scenario has a gateway of its own, so few at once. */
const atOnceMax = 2;

/** The extension's scenario that says something of an intermediary; the others are about what a host does with a file. */
const skillsScenario = 'sep-2640-client-no-prefetch';

export const clientVersions = ['2025-11-25', '2026-07-28'] as const;

export async function runClientSuite(version: string, scenario?: string): Promise<SuiteOutcome | undefined> {
  const { required, unscored } = await requirements('client', version);
  const all = [...required, ...unscored, ...(version === '2026-07-28' ? [skillsScenario] : [])];
  const names = all.filter(
    (name) => !name.startsWith('auth/') && (scenario === undefined || name === scenario),
  );
  if (names.length === 0) return undefined;
  const startMs = performance.now();
  const driver = join(root, 'tools/conformance/src/driver.ts');
  const results = await eachOf(names, atOnceMax, (name): Promise<ScenarioResult> =>
    runClientScenario(`${process.execPath} ${driver}`, name, version),
  );
  return {
    title: `${version} as the client`,
    counts: true,
    required: required.filter((name) => !name.startsWith('auth/')),
    results,
    expected,
    tookMs: performance.now() - startMs,
  };
}

/** Authorization is another matter: no scenario of it runs here. */
const expected: Expectations = {};
