/** Folders in which servers keep their state: temporary ones that vanish, and given ones that stay. */

import { accessSync, constants, realpathSync, statfsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

export interface WorkFolder {
  /** Absolute. */
  readonly path: string;
  readonly temporary: boolean;
}

const prefix = 'cruvero-';

/** The system's temporary folder, links resolved. */
export function temporaryRoot(): string {
  return realpathSync(tmpdir());
}

/** Where a folder of a thousand small files is made in no time; only used where it is large. */
const memoryRoot = '/dev/shm';
const memoryFreeBytesMin = 4 * 1024 ** 3;

/** A temporary root in memory where this machine has a large one, otherwise the system's temporary folder. */
export function quickTemporaryRoot(): string {
  try {
    accessSync(memoryRoot, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(memoryRoot);
    return bavail * bsize >= memoryFreeBytesMin ? memoryRoot : temporaryRoot();
  } catch {
    return temporaryRoot();
  }
}

/** The given folder (made if missing), or a fresh temporary one that other users may enter but not list. */
export async function openFolder(
  name: string,
  given: string | undefined,
  root = temporaryRoot(),
): Promise<WorkFolder> {
  if (given !== undefined) {
    const path = resolve(given);
    await mkdir(path, { recursive: true });
    return { path, temporary: false };
  }
  const path = await mkdtemp(join(root, `${prefix}${name}-`));
  await chmod(path, 0o711);
  return { path, temporary: true };
}

/** Removes a temporary folder; leaves a given one alone. */
export async function closeFolder(folder: WorkFolder): Promise<void> {
  if (!folder.temporary) return;
  await rm(folder.path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}

/** True only for a folder that `openFolder` may have made: nothing else is ever removed. */
export function isTemporaryFolder(path: string): boolean {
  return basename(path).startsWith(prefix) && [temporaryRoot(), memoryRoot].includes(dirname(path));
}
