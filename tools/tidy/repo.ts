/** The repository as the tidy rules see it: text by path, folders, and where it stands on this machine. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';

export interface Repo {
  /** Text files that git tracks or would track, by path from the root with `/`. */
  readonly texts: ReadonlyMap<string, string>;
  /** Every path that exists, files of any kind and folders. */
  readonly paths: ReadonlySet<string>;
  /** Folders in which, at any depth, there is no file. */
  readonly emptyFolders: readonly string[];
  /** Folders of this machine that no file may name: the checkout, what it lies in, and the user's home. */
  readonly machineFolders: readonly string[];
}

export interface Finding {
  readonly path: string;
  /** From 1; absent where it is about the whole file. */
  readonly line?: number;
  readonly says: string;
}

export type Rule = (repo: Repo) => readonly Finding[];

const textBytesMax = 2_000_000;
const notOurs = new Set(['node_modules', '.git', '.nx', '.cruvero', 'coverage']);

/** Reads the checkout at `root`; needs git. */
export function readRepo(root: string): Repo {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  const texts = new Map<string, string>();
  const paths = new Set<string>();
  for (const path of listed.split('\0')) {
    if (path === '' || !existsSync(join(root, path))) continue;
    for (let at = path; at !== '.'; at = dirname(at)) paths.add(at);
    const text = readText(join(root, path));
    if (text !== undefined) texts.set(path, text);
  }
  const emptyFolders = foldersWithoutFiles(root, root);
  return { texts, paths, emptyFolders, machineFolders: foldersOfMachine(root) };
}

function readText(file: string): string | undefined {
  const stat = statSync(file);
  if (!stat.isFile() || stat.size > textBytesMax) return undefined;
  const text = readFileSync(file, 'utf8');
  return text.includes('\0') ? undefined : text;
}

/** The topmost folders below `folder` that hold no file at any depth. */
function foldersWithoutFiles(root: string, folder: string): readonly string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || notOurs.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (holdsFile(path)) found.push(...foldersWithoutFiles(root, path));
    else found.push(relative(root, path));
  }
  return found;
}

function holdsFile(folder: string): boolean {
  return readdirSync(folder, { withFileTypes: true }).some(
    (entry) => !entry.isDirectory() || (!notOurs.has(entry.name) && holdsFile(join(folder, entry.name))),
  );
}

/** Folders right below `/` tell nothing: every machine may have them, and a sandbox has some of its own. */
function foldersOfMachine(root: string): readonly string[] {
  return [root, dirname(root), homedir()].filter((folder) => folder.split('/').length > 2);
}

/** Every match of `pattern` (with the `g` flag), as a finding with its line. */
export function findMatches(path: string, text: string, pattern: RegExp, says: string): readonly Finding[] {
  const found: Finding[] = [];
  for (const match of text.matchAll(pattern)) {
    found.push({ path, line: text.slice(0, match.index).split('\n').length, says });
  }
  return found;
}
