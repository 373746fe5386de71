/** This process's side of the reaper: says which process groups and temporary folders must not outlive it. */

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

const groups = new Set<number>();
const folders = new Set<string>();
const respawnsMax = 5;
let reaper: ChildProcess | undefined;
let respawns = 0;

/** From now on this process group dies with this process, even after `kill -9`. */
export function keepGroup(pid: number): void {
  groups.add(pid);
  tell(`+group ${pid}`);
}

/** The group has ended; its number may be given to somebody else. */
export function releaseGroup(pid: number): void {
  if (groups.delete(pid)) tell(`-group ${pid}`);
}

/** From now on this temporary folder is removed when this process ends without doing so itself. */
export function keepFolder(path: string): void {
  folders.add(path);
  tell(`+folder ${path}`);
}

export function releaseFolder(path: string): void {
  if (folders.delete(path)) tell(`-folder ${path}`);
}

function tell(line: string): void {
  if (reaper) {
    reaper.stdin?.write(`${line}\n`);
    return;
  }
  reaper = spawnReaper();
  for (const pid of groups) reaper.stdin?.write(`+group ${pid}\n`);
  for (const path of folders) reaper.stdin?.write(`+folder ${path}\n`);
}

function spawnReaper(): ChildProcess {
  const {
    NODE_OPTIONS: _options,
    NODE_V8_COVERAGE: _coverage,
    NODE_TEST_CONTEXT: _test,
    ...env
  } = process.env;
  const child = spawn(process.execPath, [fileURLToPath(new URL('./reaper.ts', import.meta.url))], {
    // A session of its own: Ctrl-C in the terminal does not reach it.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
    env,
  });
  child.unref();
  child.stdin.on('error', () => undefined);
  if (child.stdin instanceof Socket) child.stdin.unref();
  child.once('error', () => lost(child));
  child.once('exit', () => lost(child));
  return child;
}

/** Somebody killed the reaper: start another one while there is something to guard. */
function lost(child: ChildProcess): void {
  if (reaper !== child) return;
  reaper = undefined;
  respawns += 1;
  if (respawns > respawnsMax || groups.size + folders.size === 0) return;
  reaper = spawnReaper();
  for (const pid of groups) reaper.stdin?.write(`+group ${pid}\n`);
  for (const path of folders) reaper.stdin?.write(`+folder ${path}\n`);
}
