/** Finds the test files and puts them in the order in which they run: quick ones first, whole stacks last. */

import { globSync } from 'node:fs';
import { sep } from 'node:path';

export interface Phase {
  readonly name: string;
  /** Relative to the checkout, with `/`. */
  readonly files: readonly string[];
  /** One file at a time, because each starts whole stacks. */
  readonly serial: boolean;
  /** How long one file may take. */
  readonly fileMsMax: number;
}

interface PhaseRule extends Omit<Phase, 'files'> {
  readonly holds: (path: string) => boolean;
}

/** The first rule that holds takes the file; the last one takes all. */
const rules: readonly PhaseRule[] = [
  { name: 'e2e', holds: (path) => path.startsWith('apps/e2e/'), serial: true, fileMsMax: 300_000 },
  { name: 'apps', holds: (path) => path.startsWith('apps/'), serial: false, fileMsMax: 120_000 },
  { name: 'tools', holds: (path) => path.startsWith('tools/'), serial: false, fileMsMax: 120_000 },
  { name: 'adapters', holds: (path) => path.startsWith('libs/adapters/'), serial: false, fileMsMax: 120_000 },
  { name: 'unit and contract', holds: () => true, serial: false, fileMsMax: 120_000 },
];

/** Every test file of the checkout, sorted. */
export function findTestFiles(root: string): string[] {
  return globSync('{libs,apps,tools}/**/*.test.ts', {
    cwd: root,
    exclude: (name) => name === 'node_modules' || name.endsWith(`${sep}node_modules`),
  })
    .map((path) => path.split(sep).join('/'))
    .filter((path) => !path.includes('/node_modules/'))
    .sort();
}

/** Phases in running order; those without a file are left out. A file stays when its path contains any of the filters. */
export function phasesOf(files: readonly string[], filters: readonly string[]): Phase[] {
  const chosen = files.filter(
    (path) => filters.length === 0 || filters.some((filter) => path.includes(filter)),
  );
  const ruleOf = (path: string): PhaseRule | undefined => rules.find(({ holds }) => holds(path));
  return rules
    .map(({ holds: _holds, ...phase }, index) => ({
      ...phase,
      files: chosen.filter((path) => ruleOf(path) === rules[index]),
    }))
    .filter((phase) => phase.files.length > 0)
    .reverse();
}

/** `libs/core`, `libs/services/registry`, `apps/gateway`, `tools/test`: the project that a path belongs to. */
export function projectOf(path: string): string {
  const parts = path.split('/');
  const deep = parts[0] === 'libs' && (parts[1] === 'services' || parts[1] === 'adapters');
  return parts.slice(0, deep ? 3 : 2).join('/');
}
