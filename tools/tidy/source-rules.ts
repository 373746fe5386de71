/** Tidiness of source: how a file opens, how long it is, what it is called, what may not be left in it. */

import { basename } from 'node:path';
import { findMatches, type Finding, type Repo } from './repo.ts';

const linesMax = 500;
const emptyNames = new Set(
  'util utils helper helpers common manager managers base shared processor processors misc'.split(' '),
);

const isSource = (path: string): boolean => /\.(ts|mjs|cjs)$/.test(path);
const isTest = (path: string): boolean => path.endsWith('.test.ts');

function each(
  repo: Repo,
  wanted: (path: string) => boolean,
  look: (path: string, text: string) => readonly Finding[],
) {
  return [...repo.texts].flatMap(([path, text]) => (wanted(path) ? look(path, text) : []));
}

/** Every .ts file opens with a sentence on what it is for. */
export function opensWithSentence(repo: Repo): readonly Finding[] {
  return each(
    repo,
    (path) => path.endsWith('.ts'),
    (path, text) => {
      const opening = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//
        .exec(text)?.[1]
        ?.replace(/^\s*\*/gm, '')
        .trim();
      if (opening !== undefined && opening.length >= 15 && /[.!?]$/.test(opening)) return [];
      return [{ path, line: 1, says: 'open the file with /** one sentence on what it is for. */' }];
    },
  );
}

/** No source file is too long to be read in one go. */
export function notTooLong(repo: Repo): readonly Finding[] {
  return each(repo, isSource, (path, text) => {
    const lines = text.trimEnd().split('\n').length;
    return lines > linesMax ? [{ path, says: `${lines} lines; at most ${linesMax}` }] : [];
  });
}

/** Names say what is inside: no file or folder called after nothing in particular. */
export function namesSaySomething(repo: Repo): readonly Finding[] {
  const found: Finding[] = [];
  for (const path of repo.paths) {
    const isFolder = !repo.texts.has(path);
    if (!isFolder && !isSource(path)) continue;
    const word = basename(path)
      .split(/[-._]/)
      .find((part) => emptyNames.has(part));
    if (word !== undefined) found.push({ path, says: `"${word}" says nothing; name the noun it is about` });
  }
  return found;
}

/** What is begun is finished, or is an issue; and no test is left out. */
export function nothingLeftOver(repo: Repo): readonly Finding[] {
  const marks = each(
    repo,
    (path) => !path.endsWith('package-lock.json'),
    (path, text) => findMatches(path, text, /\b(?:TO[D]O|FIX[M]E|XX[X])\b/g, 'finish it, or open an issue'),
  );
  const leftOut = each(repo, isTest, (path, text) => [
    ...findMatches(
      path,
      text,
      /\b(?:describe|it|test|suite)\.(?:only|skip|to[d]o)\(/g,
      'no test is left out',
    ),
    ...findMatches(path, text, /[{,]\s*(?:only|skip|to[d]o): true/g, 'no test is left out'),
  ]);
  return [...marks, ...leftOut];
}

export function noEmptyFolders(repo: Repo): readonly Finding[] {
  return repo.emptyFolders.map((path) => ({ path, says: 'an empty folder' }));
}

/** Nothing tracked tells where it was made: no package registry, no folder of this machine. */
export function noTraceOfMachine(repo: Repo): readonly Finding[] {
  const registry =
    /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\.|\bnpm\.pkg\.github\b|https?:\/\/[^\s/"']*(?:artifactory|verdaccio|nexus)|"resolved":\s*"https?:|^registry\s*=/gm;
  const folders = repo.machineFolders.map((folder) => folder.replace(/[^\w/]/g, '\\$&'));
  const machine = new RegExp(`(?:^|[\\s"'\`(=:]|//)(?:${folders.join('|')})(?:/|\\b(?![\\w-]))`, 'gm');
  return each(
    repo,
    () => true,
    (path, text) => [
      ...findMatches(path, text, registry, 'names a package registry'),
      ...(folders.length === 0 ? [] : findMatches(path, text, machine, 'names a folder of this machine')),
    ],
  );
}

/** Migrations: NNNN_name.up.sql with its .down.sql, each number once. */
export function migrationsInOrder(repo: Repo): readonly Finding[] {
  const found: Finding[] = [];
  const nameOf = new Map<string, string>();
  for (const path of [...repo.texts.keys()].filter((p) => /^migrations\/.*\.sql$/.test(p))) {
    const match = /^migrations\/(\d{4})_([a-z0-9_]+)\.(up|down)\.sql$/.exec(path);
    if (!match) {
      found.push({ path, says: 'call it NNNN_name.up.sql or NNNN_name.down.sql' });
      continue;
    }
    const [, number = '', name = '', way] = match;
    const other = path.replace(/\.(up|down)\.sql$/, way === 'up' ? '.down.sql' : '.up.sql');
    if (!repo.texts.has(other)) found.push({ path, says: `${basename(other)} is missing` });
    const earlier = nameOf.get(number);
    if (earlier !== undefined && earlier !== name)
      found.push({ path, says: `number ${number} is taken by ${earlier}` });
    nameOf.set(number, name);
  }
  return found;
}
