/** Merges the line coverage of many test files and tells it per project. */

import { globSync, readFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';

import ts from 'typescript';

import { projectOf } from './phases.ts';

/** Hits per line number, per file (relative to the checkout). */
export type Coverage = Map<string, Map<number, number>>;

export interface ProjectCoverage {
  readonly project: string;
  readonly lines: number;
  readonly covered: number;
  readonly percent: number;
}

/** Adds one lcov report; a line's hits add up. */
export function addLcov(coverage: Coverage, lcov: string, root: string): void {
  let lines: Map<number, number> | undefined;
  for (const record of lcov.split('\n')) {
    if (record.startsWith('SF:')) {
      const path = relative(root, resolve(root, record.slice(3)))
        .split(sep)
        .join('/');
      lines = coverage.get(path) ?? new Map<number, number>();
      coverage.set(path, lines);
    }
    const line = /^DA:(\d+),(\d+)/.exec(record);
    if (line && lines) lines.set(Number(line[1]), (lines.get(Number(line[1])) ?? 0) + Number(line[2]));
  }
}

/** Adds the source files that no test loaded, all lines without a hit; files that hold only types have nothing to run. */
export function addUnloaded(coverage: Coverage, root: string): void {
  for (const found of globSync('{libs/**,apps/*,tools/*}/src/**/*.ts', { cwd: root })) {
    const path = found.split(sep).join('/');
    if (/node_modules|\.test\.ts$|\.fixture\.ts$|\.d\.ts$/.test(path) || coverage.has(path)) continue;
    const source = readFileSync(join(root, found), 'utf8');
    if (!runsSomething(source)) continue;
    coverage.set(
      path,
      new Map(
        source
          .trimEnd()
          .split('\n')
          .map((_, index) => [index + 1, 0] as const),
      ),
    );
  }
}

/** False for a file of types, re-exports and comments. */
export function runsSomething(source: string): boolean {
  const compilerOptions = {
    removeComments: true,
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
  };
  return (
    ts
      .transpileModule(source, { compilerOptions })
      .outputText.replace(/^\s*(import|export)\b[^;]*\bfrom\s*['"][^'"]*['"];?/gm, '')
      .replace(/^\s*export\s*\{\s*\};?/gm, '')
      .replace(/[\s;]+/g, '') !== ''
  );
}

/** One lcov report of everything. */
export function toLcov(coverage: Coverage): string {
  const files = [...coverage].sort(([a], [b]) => (a < b ? -1 : 1));
  return files
    .map(([path, lines]) => {
      const rows = [...lines].sort(([a], [b]) => a - b);
      const covered = rows.filter(([, hits]) => hits > 0).length;
      const data = rows.map(([line, hits]) => `DA:${line},${hits}`);
      return [`TN:`, `SF:${path}`, ...data, `LH:${covered}`, `LF:${rows.length}`, 'end_of_record', ''].join(
        '\n',
      );
    })
    .join('');
}

export function byProject(coverage: Coverage): ProjectCoverage[] {
  const projects = new Map<string, { lines: number; covered: number }>();
  for (const [path, lines] of coverage) {
    const project = projectOf(path);
    const sum = projects.get(project) ?? { lines: 0, covered: 0 };
    sum.lines += lines.size;
    for (const hits of lines.values()) sum.covered += hits > 0 ? 1 : 0;
    projects.set(project, sum);
  }
  return [...projects]
    .map(([project, { lines, covered }]) => ({
      project,
      lines,
      covered,
      percent: lines === 0 ? 100 : (100 * covered) / lines,
    }))
    .sort((a, b) => (a.project < b.project ? -1 : 1));
}

/** A line a project. */
export function coverageTable(projects: readonly ProjectCoverage[]): string {
  const width = Math.max(10, ...projects.map(({ project }) => project.length));
  const rows = projects.map(
    ({ project, percent, covered, lines }) =>
      `  ${project.padEnd(width)}  ${percent.toFixed(1).padStart(5)} %  ${covered} of ${lines} lines`,
  );
  return ['Line coverage', ...rows].join('\n');
}

/** The libraries below the gate, in percent. */
export function belowGate(projects: readonly ProjectCoverage[], percentMin: number): ProjectCoverage[] {
  return projects.filter(({ project, percent }) => project.startsWith('libs/') && percent < percentMin);
}
