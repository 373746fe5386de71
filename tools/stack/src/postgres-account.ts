/** Under which account PostgreSQL's programs run: they refuse root, so root hands them to the account `postgres`. */

import { inheritedEnv, runCommand } from './process.ts';
import type { CommandOptions } from './process.ts';

export interface Account {
  /** Goes before each command; empty when the programs run as this process does. */
  readonly prefix: readonly string[];
  readonly uid: number;
  readonly gid: number;
}

/** @throws when root has no account `postgres` to use. */
export async function postgresAccount(): Promise<Account> {
  const uid = process.getuid?.() ?? -1;
  if (uid !== 0) return { prefix: [], uid, gid: process.getgid?.() ?? -1 };
  const ids = await Promise.all([
    runCommand('id', ['-u', 'postgres']),
    runCommand('id', ['-g', 'postgres']),
  ]).catch(() => {
    throw new Error('PostgreSQL refuses to run as root and there is no account "postgres" to run it as');
  });
  return {
    prefix: ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'],
    uid: Number(ids[0]),
    gid: Number(ids[1]),
  };
}

/** The environment of PostgreSQL's programs: English messages, and no PG* variable of the caller's. */
export function postgresEnv(): NodeJS.ProcessEnv {
  const env = Object.entries(inheritedEnv()).filter(([name]) => !name.startsWith('PG'));
  return { ...Object.fromEntries(env), LC_ALL: 'C' };
}

/** Command and arguments that run a program under the account. */
export function underAccount(
  account: Account,
  program: string,
  args: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  const [command = program, ...rest] = [...account.prefix, program, ...args];
  return { command, args: rest };
}

/** Runs one of PostgreSQL's programs to its end. */
export async function runUnderAccount(
  account: Account,
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const line = underAccount(account, program, args);
  return await runCommand(line.command, line.args, { timeoutMs: 60_000, env: postgresEnv(), ...options });
}

/** True when the account may enter this folder. */
export async function canEnter(account: Account, folder: string): Promise<boolean> {
  if (account.prefix.length === 0) return true;
  return await runUnderAccount(account, 'test', ['-x', folder]).then(
    () => true,
    () => false,
  );
}
