/** What a test run prints: a line a file, a line a phase, the slowest files, each failure whole, and the totals last. */

import type { FileResult } from './test-file.ts';

const namedMax = 10;

/** What failed is named at once, a line each: whoever reads only a part of a long log finds it there. */
export function fileLine(result: FileResult): string {
  const word = result.failed > 0 ? 'FAIL' : 'ok';
  const tests = String(result.passed + result.failed + result.skipped);
  const line = `  ${word.padEnd(4)} ${seconds(result.tookMs).padStart(7)} ${tests.padStart(4)}  ${result.path}`;
  const named = result.failures.slice(0, namedMax).map(({ test, error }) => {
    return `       ✖ ${test}: ${error.split('\n', 1)[0] ?? ''}`;
  });
  return [line, ...named].join('\n');
}

export function phaseLine(name: string, results: readonly FileResult[], tookMs: number): string {
  return `${name}: ${totals(results)} in ${results.length} ${results.length === 1 ? 'file' : 'files'}, ${seconds(tookMs)}`;
}

export function slowest(results: readonly FileResult[], filesMax = 10): string {
  const sorted = [...results].sort((a, b) => b.tookMs - a.tookMs).slice(0, filesMax);
  return [
    'Slowest files',
    ...sorted.map(({ tookMs, path }) => `  ${seconds(tookMs).padStart(7)}  ${path}`),
  ].join('\n');
}

/** Everything about the failures of one file. */
export function failureText({ path, failures, output }: FileResult): string {
  const each = failures.map(({ test, place, error }) => {
    return [`✖ ${path}: ${test}`, ...(place === '' ? [] : [`  at ${place}`]), indent(error)].join('\n');
  });
  const said = output === '' ? [] : [`  ${path} also wrote:`, indent(output)];
  return [...each, ...said].join('\n');
}

/** `3 passed, 1 failed`, and `, 2 skipped` only where some were. */
export function totals(results: readonly FileResult[]): string {
  const sum = (of: (result: FileResult) => number): number =>
    results.reduce((total, each) => total + of(each), 0);
  const skipped = sum((each) => each.skipped);
  const known = `${sum((each) => each.passed)} passed, ${sum((each) => each.failed)} failed`;
  return skipped === 0 ? known : `${known}, ${skipped} skipped`;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ');
}
