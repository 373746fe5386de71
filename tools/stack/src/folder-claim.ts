/** Lets one stack at a time use a state folder. */

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { isAlive } from './process.ts';

/** @returns a function that gives the folder back. @throws when a living process has it. */
export function claimFolder(folder: string): () => void {
  const file = join(folder, 'stack.pid');
  if (existsSync(file)) {
    const owner = Number(readFileSync(file, 'utf8'));
    if (owner > 0 && owner !== process.pid && isAlive(owner)) {
      throw new Error(
        `Process ${owner} already runs a stack in ${folder}. (If that is not so, remove ${file}.)`,
      );
    }
    rmSync(file, { force: true });
  }
  writeFileSync(file, String(process.pid), { flag: 'wx' });
  return () => rmSync(file, { force: true });
}
