/** Finds the file that a command names, as execvp would, so that a missing one gets a sentence and not an exit code. */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

export type FoundCommand = { readonly path: string } | { readonly problem: string };

export function findCommand(command: string, searchPath: string, cwd: string): FoundCommand {
  if (command === '') return { problem: 'the command is empty' };
  if (!isFolder(cwd)) return { problem: `the working folder ${JSON.stringify(cwd)} does not exist` };
  if (command.includes('/')) {
    const path = resolve(cwd, command);
    return verdict(path) ?? { path };
  }
  let refused: FoundCommand | undefined;
  for (const folder of searchPath.split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, command);
    const problem = verdict(path);
    if (problem === undefined) return { path };
    if (problem.problem.includes('executable')) refused ??= problem;
  }
  return refused ?? { problem: `the command ${JSON.stringify(command)} was not found on PATH` };
}

function verdict(path: string): { readonly problem: string } | undefined {
  try {
    if (!statSync(path).isFile()) return { problem: `${JSON.stringify(path)} is not a file` };
  } catch {
    return { problem: `${JSON.stringify(path)} does not exist` };
  }
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch {
    return { problem: `${JSON.stringify(path)} is not executable` };
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
