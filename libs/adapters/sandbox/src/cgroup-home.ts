/** Where on this machine this process may make groups of its own. */

import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { ownPrefix } from './owner.ts';

export type Controller = 'memory' | 'pids' | 'cpu';

export interface GroupHome {
  readonly version: 'v1' | 'v2';
  /** The folder below which groups are made, by controller; in version 2 it is one for all. */
  readonly folders: ReadonlyMap<Controller, string>;
}

const controllers: readonly Controller[] = ['memory', 'pids', 'cpu'];

interface Mount {
  /** The part of the hierarchy that is mounted. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** `procSelf` is /proc/self, or a folder with the same files for tests. */
export async function findGroupHome(procSelf: string): Promise<GroupHome | { readonly why: string }> {
  const mounts = readMounts(await readFile(join(procSelf, 'mountinfo'), 'utf8').catch(() => ''));
  const memberships = readMemberships(await readFile(join(procSelf, 'cgroup'), 'utf8').catch(() => ''));
  const v1 = await findV1(mounts, memberships);
  if (v1.size > 0) return { version: 'v1', folders: v1 };
  return findV2(mounts, memberships);
}

/** Fields of mountinfo before and behind the ` - `. */
function readMounts(text: string): readonly Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', behind = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ');
    const [type, , options = ''] = behind.split(' ');
    if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    return [{ root, point, type, options: options.split(',') }];
  });
}

/** The own path by controller; '' is version 2. */
function readMemberships(text: string): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const found = /^[0-9]+:([^:]*):(\/.*)$/.exec(line);
    if (found) for (const name of (found[1] ?? '').split(',')) paths.set(name, found[2] ?? '/');
  }
  return paths;
}

/** The own group as this process sees it; undefined where it lies outside of what is mounted. */
function folderOf({ root, point }: Mount, path: string): string | undefined {
  const below = relative(root, path);
  if (below.startsWith('..')) return path === '/' ? point : undefined;
  return join(point, below);
}

async function findV1(
  mounts: readonly Mount[],
  memberships: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<Controller, string>> {
  const folders = new Map<Controller, string>();
  for (const controller of controllers) {
    const mount = mounts.find(({ type, options }) => type === 'cgroup' && options.includes(controller));
    const folder = mount && folderOf(mount, memberships.get(controller) ?? '/');
    if (folder !== undefined && (await mayMake(folder))) folders.set(controller, folder);
  }
  return folders;
}

async function findV2(
  mounts: readonly Mount[],
  memberships: ReadonlyMap<string, string>,
): Promise<GroupHome | { readonly why: string }> {
  const mount = mounts.find(({ type }) => type === 'cgroup2');
  const folder = mount && folderOf(mount, memberships.get('') ?? '/');
  if (folder === undefined) return { why: 'no cgroups are mounted here' };
  if (!(await mayMake(folder))) return { why: 'this process may not make cgroups below its own' };
  const offered = await words(folder, 'cgroup.controllers');
  const wanted = controllers.filter((name) => offered.includes(name));
  if (wanted.length === 0) return { why: 'the cgroup of this process has neither memory nor pids nor cpu' };
  const enabled = await enable(folder, wanted);
  if (!enabled)
    return { why: 'the cgroup of this process holds other processes, so nothing can be split off it' };
  return { version: 'v2', folders: new Map(wanted.map((name) => [name, folder])) };
}

/** Version 2 lets a group have limits for its children only while it holds no process itself. */
async function enable(folder: string, wanted: readonly Controller[]): Promise<boolean> {
  const missing = async (): Promise<readonly string[]> => {
    const there = await words(folder, 'cgroup.subtree_control');
    return wanted.filter((name) => !there.includes(name));
  };
  const tryIt = async (): Promise<boolean> => {
    const text = (await missing()).map((name) => `+${name}`).join(' ');
    if (text === '') return true;
    return writeFile(join(folder, 'cgroup.subtree_control'), text).then(
      () => true,
      () => false,
    );
  };
  if (await tryIt()) return true;
  const inside = await words(folder, 'cgroup.procs');
  if (inside.some((pid) => pid !== String(process.pid))) return false;
  const leaf = join(folder, 'cruvero-service');
  await mkdir(leaf, { recursive: true });
  await writeFile(join(leaf, 'cgroup.procs'), String(process.pid)).catch(() => undefined);
  return tryIt();
}

async function words(folder: string, name: string): Promise<readonly string[]> {
  return (await readFile(join(folder, name), 'latin1').catch(() => '')).split(/\s+/).filter(Boolean);
}

/** Only trying tells: mounts may be read-only, and permissions are not all. */
async function mayMake(folder: string): Promise<boolean> {
  const path = join(folder, ownPrefix('try'));
  try {
    await mkdir(path);
    await rmdir(path);
    return true;
  } catch {
    return false;
  }
}
