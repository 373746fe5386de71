/** Takes the files out of the work folder of a run that is over: nobody is left who could change them meanwhile. */

import { closeSync, constants, fstatSync, openSync, opendirSync, readSync, type BigIntStats } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import {
  readSandboxPath,
  type LeftOut,
  type LeftOutReason,
  type SandboxBounds,
  type SandboxFile,
} from '@cruvero/ports';

export interface Harvest {
  readonly files: readonly SandboxFile[];
  readonly leftOut: readonly LeftOut[];
}

/** Of a file when the run began; the kernel keeps the last, and no program can set it. */
export type Marks = ReadonlyMap<string, string>;

const entriesMax = 10_000;
const leftOutMax = 100;
const depthMax = 8;
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;

type Bounds = Pick<SandboxBounds, 'filesMax' | 'fileBytesMax' | 'filesBytesMax'>;

/**
 * `folderFd` is the work folder itself, open since before the program ran. Everything below it is opened relative to
 * an open folder and never through a link, so nothing outside can be reached whatever the program left there.
 */
export function harvest(folderFd: number, bounds: Bounds, before: Marks | undefined): Harvest {
  const work: Work = { bounds, before, files: [], leftOut: [], entries: 0, bytes: 0 };
  walk(folderFd, '', 1, work);
  return { files: work.files, leftOut: work.leftOut };
}

/** What the regular files look like now. */
export function readMarks(folderFd: number): Marks {
  const marks = new Map<string, string>();
  let entries = 0;
  const look = (fd: number, prefix: string, depth: number): void => {
    for (const name of namesIn(fd)) {
      if ((entries += 1) > entriesMax) return;
      if (typeof name !== 'string') continue;
      withEntry(fd, name, (entry, stat) => {
        if (stat.isDirectory() && depth < depthMax) look(entry, `${prefix}${name}/`, depth + 1);
        else if (stat.isFile()) marks.set(prefix + name, markOf(stat));
      });
    }
  };
  look(folderFd, '', 1);
  return marks;
}

const markOf = (stat: BigIntStats): string => `${stat.ino}:${stat.ctimeNs}:${stat.size}`;

interface Work {
  readonly bounds: Bounds;
  readonly before: Marks | undefined;
  readonly files: SandboxFile[];
  readonly leftOut: LeftOut[];
  entries: number;
  bytes: number;
}

function walk(folderFd: number, prefix: string, depth: number, work: Work): void {
  for (const name of namesIn(folderFd)) {
    if ((work.entries += 1) > entriesMax) return leaveOut(work, `${prefix}…`, 'too_many');
    const read = typeof name === 'string' ? readSandboxPath(prefix + name) : { problem: 'not UTF-8' };
    if (typeof name !== 'string' || 'problem' in read) {
      leaveOut(work, shown(prefix + String(name)), 'bad_name');
      continue;
    }
    const done = withEntry(folderFd, name, (entry, stat) => {
      if (stat.isDirectory()) {
        if (depth < depthMax) walk(entry, `${read.path}/`, depth + 1, work);
        else leaveOut(work, read.path, 'bad_name');
      } else takeFile(entry, read.path, stat, work);
    });
    if (done !== undefined) leaveOut(work, read.path, done);
  }
}

function takeFile(fd: number, path: string, stat: BigIntStats, work: Work): void {
  const { bounds, before } = work;
  if (before !== undefined && before.get(path) === markOf(stat)) return;
  if (!stat.isFile()) return leaveOut(work, path, 'not_a_file');
  // A second name may be anywhere; one that can be reached is enough.
  if (stat.nlink !== 1n) return leaveOut(work, path, 'linked_twice');
  if (work.files.length >= bounds.filesMax) return leaveOut(work, path, 'too_many');
  const size = Number(stat.size);
  if (size > bounds.fileBytesMax || work.bytes + size > bounds.filesBytesMax)
    return leaveOut(work, path, 'too_large');
  const bytes = readWhole(fd, size);
  if (!bytes) return leaveOut(work, path, 'unreadable');
  work.bytes += size;
  work.files.push({ path, bytes });
}

function readWhole(fd: number, size: number): Uint8Array | undefined {
  const bytes = Buffer.alloc(size);
  let at = 0;
  try {
    while (at < size) {
      const got = readSync(fd, bytes, at, size - at, at);
      if (got === 0) return undefined;
      at += got;
    }
  } catch {
    return undefined;
  }
  return bytes;
}

/** Names in their order, so that the same run gives the same files; bytes where they are no UTF-8. */
function namesIn(folderFd: number): readonly (string | Buffer)[] {
  const names: (string | Buffer)[] = [];
  let folder;
  try {
    folder = opendirSync(`/proc/self/fd/${folderFd}`, { encoding: 'latin1', bufferSize: 256 });
  } catch {
    return names;
  }
  try {
    for (let entry = folder.readSync(); entry && names.length <= entriesMax; entry = folder.readSync()) {
      const name = Buffer.from(entry.name, 'latin1');
      names.push(isUtf8(name) ? name.toString() : name);
    }
  } finally {
    folder.closeSync();
  }
  return names.sort((a, b) => (String(a) < String(b) ? -1 : 1));
}

/** Hands the open entry over; the reason where it cannot be opened. Links are not followed, pipes not waited for. */
function withEntry(
  folderFd: number,
  name: string,
  work: (fd: number, stat: BigIntStats) => void,
): LeftOutReason | undefined {
  let fd: number;
  try {
    fd = openSync(`/proc/self/fd/${folderFd}/${name}`, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // ELOOP: a link. ENXIO: a socket.
    return code === 'ELOOP' || code === 'ENXIO' ? 'not_a_file' : 'unreadable';
  }
  try {
    work(fd, fstatSync(fd, { bigint: true }));
  } finally {
    closeSync(fd);
  }
  return undefined;
}

/** For the work folder of a run, seen from outside. */
export function openFolder(path: string): number {
  return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

function leaveOut(work: Work, path: string, reason: LeftOutReason): void {
  if (work.leftOut.length < leftOutMax) work.leftOut.push({ path, reason });
}

const shown = (path: string): string => path.replace(/\p{Cc}|\p{Cs}/gu, '�').slice(0, 255);
