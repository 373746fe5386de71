/** A repository made of text, for tests of the rules. */

import { dirname } from 'node:path';
import type { Finding, Repo } from './repo.ts';

export function memoryRepo(files: Readonly<Record<string, string>>, more: Partial<Repo> = {}): Repo {
  const texts = new Map(Object.entries(files));
  const paths = new Set<string>();
  for (const path of texts.keys()) for (let at = path; at !== '.'; at = dirname(at)) paths.add(at);
  return { texts, paths, emptyFolders: [], machineFolders: [], ...more };
}

/** Findings in short: path, line where there is one, what is said. */
export function told(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ path, line, says }) => `${path}${line === undefined ? '' : `:${line}`} ${says}`);
}
