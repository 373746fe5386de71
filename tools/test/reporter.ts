/** A reporter for node:test that writes one JSON line for each failure and one for the totals; read by test-file.ts. */

import { inspect } from 'node:util';
import type { TestEvent } from 'node:test/reporters';

export interface Counts {
  readonly tests: number;
  readonly passed: number;
  readonly skipped: number;
  readonly todo: number;
}

export const noCounts: Counts = { tests: 0, passed: 0, skipped: 0, todo: 0 };

export interface Failure {
  readonly test: string;
  /** `path:line` where the test stands, when known. */
  readonly place: string;
  readonly error: string;
}

export type Line =
  ({ readonly line: 'failure' } & Failure) | { readonly line: 'counts'; readonly counts: Counts };

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  /** Names of the suites above the test, by depth; starts come before the results of what is in them. */
  const names: string[] = [];
  let noTest = false;
  for await (const { type, data } of events) {
    if (type === 'test:start') names[data.nesting] = data.name;
    if (type === 'test:fail' && data.todo === undefined && !failedByChildren(data.details.error)) {
      const test = [...names.slice(0, data.nesting), data.name].join(' › ');
      const place = data.file === undefined ? '' : `${data.file}:${String(data.line ?? 0)}`;
      yield written({ line: 'failure', test, place, error: describe(data.details.error) });
    }
    // For a file without a test, node:test makes one up that has the file's name and passes.
    if (type === 'test:pass' && data.nesting === 0 && data.name.endsWith('.test.ts')) noTest = true;
    if (type === 'test:summary' && data.file === undefined) {
      yield written({ line: 'counts', counts: noTest && data.counts.tests === 1 ? noCounts : data.counts });
    }
  }
}

function written(line: Line): string {
  return `${JSON.stringify(line)}\n`;
}

/** A suite fails with each test in it; the tests have said why. */
function failedByChildren(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed';
}

/** node:test wraps what a test threw; the wrapper's own stack says nothing. */
function describe(error: Error): string {
  const cause = 'failureType' in error && error.cause !== undefined ? error.cause : error;
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 6, maxStringLength: 20_000 });
}
