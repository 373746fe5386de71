/** Tidiness of packages: dependencies that are explained, pinned, of one version, and declared where they are used. */

import { isBuiltin } from 'node:module';
import { dirname } from 'node:path';
import type { Finding, Repo } from './repo.ts';

interface Package {
  readonly path: string;
  readonly name: string;
  readonly dependencies: ReadonlyMap<string, string>;
  /** `type:…` tags. */
  readonly types: readonly string[];
}

const listPath = 'docs/dependencies.md';
const own = '@cruvero/';
const pinned = /^(?:npm:(?:@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/;

function strings(value: unknown): readonly (readonly [string, string])[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, text]) =>
    typeof text === 'string' ? [[key, text] as const] : [],
  );
}

function packagesOf(repo: Repo): readonly Package[] {
  const found: Package[] = [];
  for (const [path, text] of repo.texts) {
    if (path !== 'package.json' && !/^(apps|libs|tools)\/.*package\.json$/.test(path)) continue;
    const json: unknown = JSON.parse(text);
    const root = typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : {};
    const kinds = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];
    const dependencies = new Map(kinds.flatMap((kind) => strings(root[kind])));
    const nx = root['nx'] as { readonly tags?: readonly string[] } | undefined;
    const types = (nx?.tags ?? []).filter((tag) => tag.startsWith('type:'));
    found.push({ path, name: String(root['name']), dependencies, types });
  }
  return found;
}

/** docs/dependencies.md has a row for every dependency, and no row for what is none. */
export function dependenciesExplained(repo: Repo): readonly Finding[] {
  const rows = new Map<string, number>();
  const lines = (repo.texts.get(listPath) ?? '').split('\n');
  lines.forEach((line, index) => {
    const names = /^\|([^|]*)\|/.exec(line)?.[1] ?? '';
    for (const match of names.matchAll(/`([^`]+)`/g)) rows.set(match[1] ?? '', index + 1);
  });
  const found: Finding[] = [];
  const used = new Set<string>();
  for (const { path, dependencies } of packagesOf(repo)) {
    for (const name of dependencies.keys()) {
      if (name.startsWith(own) || used.has(name)) continue;
      used.add(name);
      if (!rows.has(name)) found.push({ path, says: `${name} has no row in ${listPath}` });
    }
  }
  for (const [name, line] of rows) {
    if (!used.has(name)) found.push({ path: listPath, line, says: `no package.json has ${name}` });
  }
  return found;
}

/** One exact version a dependency, in all packages; our own as `*`. */
export function versionsPinned(repo: Repo): readonly Finding[] {
  const found: Finding[] = [];
  const versions = new Map<string, string>();
  for (const { path, dependencies } of packagesOf(repo)) {
    for (const [name, version] of dependencies) {
      const wellFormed = name.startsWith(own) ? version === '*' : pinned.test(version);
      if (!wellFormed) found.push({ path, says: `${name} at "${version}"; pin one exact version` });
      const other = versions.get(name);
      if (other !== undefined && other !== version)
        found.push({ path, says: `${name} ${version} here, ${other} elsewhere` });
      versions.set(name, version);
    }
  }
  return found;
}

/** Every workspace package has exactly one `type:` tag, by which its directions are checked. */
export function packagesTagged(repo: Repo): readonly Finding[] {
  return packagesOf(repo)
    .filter(({ path, types }) => path !== 'package.json' && types.length !== 1)
    .map(({ path }) => ({ path, says: 'nx.tags needs exactly one type:… tag' }));
}

/**
 * What a package's code imports stands in its package.json; tests may also use what the root declares and what tests alone
 * may import; nobody imports their own package by its name.
 */
export function importsDeclared(repo: Repo): readonly Finding[] {
  const packages = packagesOf(repo);
  const root = packages.find(({ path }) => path === 'package.json');
  const found: Finding[] = [];
  for (const { path: packagePath, name, dependencies } of packages) {
    if (packagePath === 'package.json') continue;
    const folder = `${dirname(packagePath)}/`;
    for (const [path, text] of repo.texts) {
      if (!path.startsWith(folder) || !/\.(ts|mjs)$/.test(path)) continue;
      const isTest = /\.(test|fixture)\.ts$/.test(path) || path.startsWith('libs/ports/src/contracts/');
      for (const { imported, line } of importsOf(text)) {
        if (imported === name) found.push({ path, line, says: 'imports its own package; import the file' });
        else if (isTest && (imported.startsWith(own) || root?.dependencies.has(imported))) continue;
        else if (!dependencies.has(imported))
          found.push({ path, line, says: `${imported} is not in ${packagePath}` });
      }
    }
  }
  return found;
}

/** Names of packages that import and export statements name, without sub-paths and what Node brings. */
function importsOf(text: string): readonly { readonly imported: string; readonly line: number }[] {
  const found: { imported: string; line: number }[] = [];
  const statement =
    /^(?:import|export)\s(?:[\w\s{},*$]*?\bfrom\s)?\s*'([^'./][^']*)'|\bimport\('([^'./][^']*)'\)/gm;
  for (const match of text.matchAll(statement)) {
    const specifier = match[1] ?? match[2] ?? '';
    if (isBuiltin(specifier)) continue;
    const imported = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    found.push({ imported, line: text.slice(0, match.index).split('\n').length });
  }
  return found;
}
