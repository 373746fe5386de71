/** Style as a test: reads the repository once, applies every rule, prints what it finds, exits with 1 if there is anything. */

import { join } from 'node:path';
import { decisionsNumbered, linksResolve } from './docs-rules.ts';
import { dependenciesExplained, importsDeclared, packagesTagged, versionsPinned } from './package-rules.ts';
import { readRepo, type Rule } from './repo.ts';
import {
  migrationsInOrder,
  namesSaySomething,
  noEmptyFolders,
  noTraceOfMachine,
  nothingLeftOver,
  notTooLong,
  opensWithSentence,
} from './source-rules.ts';

const rules: readonly Rule[] = [
  opensWithSentence,
  notTooLong,
  namesSaySomething,
  nothingLeftOver,
  noEmptyFolders,
  noTraceOfMachine,
  migrationsInOrder,
  decisionsNumbered,
  linksResolve,
  dependenciesExplained,
  versionsPinned,
  packagesTagged,
  importsDeclared,
];

const repo = readRepo(join(import.meta.dirname, '../..'));
const findings = rules.flatMap((rule) => rule(repo).map((finding) => ({ ...finding, rule: rule.name })));
findings.sort((a, b) => a.path.localeCompare(b.path) || (a.line ?? 0) - (b.line ?? 0));
for (const { path, line, says, rule } of findings) {
  console.log(`${path}${line === undefined ? '' : `:${line}`}  ${says}  (${rule})`);
}
console.log(`${repo.texts.size} files, ${rules.length} rules, ${findings.length} findings`);
if (findings.length > 0) process.exitCode = 1;
