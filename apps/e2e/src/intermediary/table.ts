/** What came of the checks, as a table for people. */

import type { Row } from './run.ts';

const marks = { passed: 'ok    ', failed: 'FAILED', 'left out': '-     ' } as const;

export function rowLine({ check, outcome, tookMs }: Row): string {
  const why = outcome.is === 'passed' ? '' : `\n            ${outcome.why}`;
  return `  ${marks[outcome.is]}  ${check} (${tookMs} ms)${why}`;
}

/** One line a group, one for all. */
export function table(rows: readonly Row[]): string {
  const titles = [...new Set(rows.map(({ group }) => group))];
  const head = ['group', 'passed', 'failed', 'left out', 'seconds'];
  const lines = [...titles, undefined].map((title) => {
    const own = rows.filter(({ group }) => title === undefined || group === title);
    const count = (is: Row['outcome']['is']): string =>
      String(own.filter(({ outcome }) => outcome.is === is).length);
    const seconds = own.reduce((sum, { tookMs }) => sum + tookMs, 0) / 1000;
    return [title ?? 'in all', count('passed'), count('failed'), count('left out'), seconds.toFixed(1)];
  });
  const widths = head.map((name, at) => Math.max(name.length, ...lines.map((line) => line[at]?.length ?? 0)));
  const shown = (cells: readonly string[]): string =>
    cells
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ');
  return [head, ...lines].map(shown).join('\n');
}
