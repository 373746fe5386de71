/** Tidiness of documents: links that lead somewhere, decisions with number and title. */

import { posix } from 'node:path';
import type { Finding, Repo } from './repo.ts';

const isDoc = (path: string): boolean => path.endsWith('.md');

/** Every link from a document to a file or heading of this repository leads there. */
export function linksResolve(repo: Repo): readonly Finding[] {
  const found: Finding[] = [];
  for (const [path, text] of repo.texts) {
    if (!isDoc(path)) continue;
    for (const { target, line } of linksOf(text)) {
      const says = problemOf(repo, path, target);
      if (says !== undefined) found.push({ path, line, says });
    }
  }
  return found;
}

function problemOf(repo: Repo, from: string, target: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [file = '', heading] = target.split('#', 2);
  const path =
    file === '' ? from : posix.normalize(posix.join(posix.dirname(from), decodeURI(file))).replace(/\/$/, '');
  if (path !== '.' && !repo.paths.has(path)) return `the link to ${target} leads nowhere`;
  const text = repo.texts.get(path);
  if (heading === undefined || text === undefined || !isDoc(path)) return undefined;
  return headingsOf(text).has(heading) ? undefined : `there is no heading #${heading} in ${path}`;
}

/** Links and images outside code, with their lines. */
function linksOf(text: string): readonly { readonly target: string; readonly line: number }[] {
  const found: { target: string; line: number }[] = [];
  linesOutsideFences(text).forEach((content, index) => {
    const plain = content.replace(/`[^`]*`/g, '');
    for (const match of plain.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|\b(?:src|href)="([^"]+)"/g)) {
      found.push({ target: match[1] ?? match[2] ?? '', line: index + 1 });
    }
  });
  return found;
}

/** Headings as anchors, the way code hosts make them. */
function headingsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const line of linesOutsideFences(text)) {
    const title = /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (title === undefined) continue;
    const anchor = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    let name = anchor;
    for (let copy = 1; anchors.has(name); copy += 1) name = `${anchor}-${copy}`;
    anchors.add(name);
  }
  return anchors;
}

function linesOutsideFences(text: string): readonly string[] {
  let fenced = false;
  return text.split('\n').map((line) => {
    const fence = /^\s*(```|~~~)/.test(line);
    if (fence) fenced = !fenced;
    return fence || fenced ? '' : line;
  });
}

/** A decision is docs/adr/NNNN-slug.md and opens with `# NNNN title`; each number once. */
export function decisionsNumbered(repo: Repo): readonly Finding[] {
  const found: Finding[] = [];
  const taken = new Map<string, string>();
  for (const [path, text] of repo.texts) {
    const name = /^docs\/adr\/(.+)\.md$/.exec(path)?.[1];
    if (name === undefined || name === 'README') continue;
    const number = /^(\d{4})-[a-z0-9-]+$/.exec(name)?.[1];
    if (number === undefined) {
      found.push({ path, says: 'call it NNNN-slug.md' });
      continue;
    }
    if (!new RegExp(`^# ${number} \\S`).test(text))
      found.push({ path, line: 1, says: `open it with "# ${number} title"` });
    const earlier = taken.get(number);
    if (earlier !== undefined) found.push({ path, says: `number ${number} is taken by ${earlier}` });
    taken.set(number, path);
  }
  return found;
}
