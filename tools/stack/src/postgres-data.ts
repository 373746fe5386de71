/** Makes PostgreSQL data folders: quick copies of a template for tests, real ones for folders that stay. */

import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';

import { quickTemporaryRoot, temporaryRoot } from './folder.ts';
import { canEnter, runUnderAccount } from './postgres-account.ts';
import type { Account } from './postgres-account.ts';
import { runCommand } from './process.ts';

export const defaultDatabase = 'cruvero';
export const superuser = 'cruvero';
const templatePrefix = 'cruvero-postgres-template-';
const initArguments = ['--username', superuser, '--encoding=UTF8', '--locale=C', '--no-sync'];

export interface DataFolder {
  readonly path: string;
  /** Undefined where everybody on 127.0.0.1 may connect (temporary folders). */
  readonly password: string | undefined;
}

/** Fills `<folder>/data` from the machine's template: a copy takes a fraction of what initdb does. */
export async function copyData(
  account: Account,
  postgres: string,
  folder: string,
  database: string,
): Promise<DataFolder> {
  const path = join(folder, 'data');
  await runCommand('cp', ['-a', await template(account, postgres), path]);
  if (database !== defaultDatabase) await createDatabase(account, postgres, path, database);
  return { path, password: undefined };
}

/** Finds or makes the data of a folder that stays. Its password is random and stands beside it, for its owner only. */
export async function openData(
  account: Account,
  postgres: string,
  folder: string,
  database: string,
): Promise<DataFolder> {
  const home = await reachableFolder(account, folder);
  const path = join(home, 'data');
  const passwordFile = join(folder, 'password');
  // Data elsewhere belong to this folder: where the folder was removed and made anew, they are nobody's.
  if (home !== folder && !existsSync(passwordFile)) await rm(path, { recursive: true, force: true });
  if (existsSync(join(path, 'PG_VERSION')))
    return { path, password: (await readFile(passwordFile, 'utf8')).trim() };

  const password = randomBytes(24).toString('base64url');
  const building = await mkdtemp(join(home, 'data-new-'));
  try {
    const pwfile = join(building, 'pw');
    await writeFile(pwfile, `${password}\n`, { mode: 0o600 });
    if (account.prefix.length > 0)
      await Promise.all([building, pwfile].map((each) => chown(each, account.uid, account.gid)));
    const args = [
      ...initArguments,
      '--auth=scram-sha-256',
      `--pwfile=${pwfile}`,
      '-D',
      join(building, 'data'),
    ];
    await runUnderAccount(account, initdb(postgres), args);
    await createDatabase(account, postgres, join(building, 'data'), database);
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    await rename(join(building, 'data'), path);
  } finally {
    await rm(building, { recursive: true, force: true });
  }
  return { path, password };
}

/**
 * The folder itself, or, when root asks for one that the account cannot enter (below /root, say), one in /var/lib, or among
 * the temporary folders where it is one, that is named after it.
 */
async function reachableFolder(account: Account, folder: string): Promise<string> {
  if (account.prefix.length === 0 || (await canEnter(account, folder))) return folder;
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16);
  const passing = folder.startsWith(temporaryRoot() + sep);
  const path = join(
    passing ? temporaryRoot() : '/var/lib/cruvero',
    `${passing ? 'cruvero-' : ''}postgres-${name}`,
  );
  await mkdir(path, { recursive: true });
  await chmod(path, 0o711);
  return path;
}

/** The server in its single-user mode needs no client program and no running server. */
async function createDatabase(
  account: Account,
  postgres: string,
  data: string,
  database: string,
): Promise<void> {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(database))
    throw new Error(`not a database name: ${JSON.stringify(database)}`);
  if (database === 'postgres') return;
  const args = ['--single', '-D', data, '-c', 'fsync=off', 'postgres'];
  const said = await runUnderAccount(account, postgres, args, { input: `CREATE DATABASE ${database}\n` });
  if (said.includes('ERROR:')) throw new Error(`creating database ${database} failed:\n${said}`);
}

/** Path of the template of this PostgreSQL version, made on first use. Safe when several processes do so at once. */
async function template(account: Account, postgres: string): Promise<string> {
  const root = quickTemporaryRoot();
  const version = await runCommand(postgres, ['--version']);
  const key = createHash('sha256')
    .update([version, ...initArguments, postgres].join('\0'))
    .digest('hex')
    .slice(0, 12);
  // The day stands in the name: sweepers of temporary folders remove old files one by one and would leave a broken template.
  const day = new Date().toISOString().slice(0, 10);
  const path = join(root, `${templatePrefix}${account.uid}-${key}-${day}`);
  if (await isOwn(account, path)) return path;

  const building = await mkdtemp(`${path}.new-`);
  if (account.prefix.length > 0) await chown(building, account.uid, account.gid);
  await runUnderAccount(account, initdb(postgres), [
    ...initArguments,
    '--auth=trust',
    '--wal-segsize=1',
    '-D',
    building,
  ]);
  await createDatabase(account, postgres, building, defaultDatabase);
  try {
    await rename(building, path);
  } catch {
    // Somebody else was quicker; theirs is as good, if it is theirs.
    await rm(building, { recursive: true, force: true });
    if (!(await isOwn(account, path)))
      throw new Error(`${path} is in the way: it belongs to somebody else; remove it`);
  }
  await removeOldTemplates(root, `${templatePrefix}${account.uid}-`, day);
  return path;
}

/** A folder of this name that somebody else made could hold anything. */
async function isOwn(account: Account, path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === account.uid && (found.mode & 0o022) === 0;
}

async function removeOldTemplates(root: string, prefix: string, today: string): Promise<void> {
  const yesterday = new Date(Date.parse(today) - 86_400_000).toISOString().slice(0, 10);
  for (const name of await readdir(root)) {
    const day = /-(\d{4}-\d{2}-\d{2})(\.new-.*)?$/.exec(name)?.[1];
    // Yesterday's may be in use by a run over midnight.
    if (!name.startsWith(prefix) || day === undefined || day >= yesterday) continue;
    await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function initdb(postgres: string): string {
  return join(dirname(postgres), 'initdb');
}
