/** Groups of processes that the kernel counts and limits together: version 1, version 2, or neither. */

import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findGroupHome, type Controller, type GroupHome } from './cgroup-home.ts';
import { isLeftover } from './owner.ts';

export interface GroupLimits {
  readonly memoryBytesMax: number;
  readonly processesMax: number;
  readonly cpuMax: number;
}

/** One run's groups. */
export interface Group {
  /**
   * Files into which a process writes 0 to move itself. Empty where only `place` can move it, which takes the kernel
   * about ten times as long (version 1 lets a single thread go without waiting for all others).
   */
  readonly selfPlacing: readonly string[];
  /** Moves a process there; what it starts afterwards is born there. */
  place(pid: number): Promise<void>;
  readonly peakMemoryBytes: () => Promise<number | undefined>;
  /** How often the kernel killed for want of memory. */
  readonly memoryKills: () => Promise<number>;
  /** Waits a bounded time for dead processes to be taken away; false where the group is still there. */
  remove(): Promise<boolean>;
}

const periodUs = 100_000;
/** The smallest quota that the kernel takes. */
const quotaUsMin = 1_000;
const removeTriesMax = 200;
const removePauseMs = 10;
/** A shell that waits, and the launcher, belong to the boundary and not to the run. */
const ownProcesses = 4;

export class Cgroups {
  readonly home: GroupHome | undefined;
  readonly why: string | undefined;

  private constructor(home: GroupHome | undefined, why: string | undefined) {
    this.home = home;
    this.why = why;
  }

  /** Looks where this process may make groups, and makes one to be sure. Never rejects. */
  static async open(procSelf = '/proc/self'): Promise<Cgroups> {
    const found = await findGroupHome(procSelf);
    return 'why' in found ? new Cgroups(undefined, found.why) : new Cgroups(found, undefined);
  }

  has(controller: Controller): boolean {
    return this.home?.folders.has(controller) ?? false;
  }

  get version(): 'v1' | 'v2' | 'none' {
    return this.home?.version ?? 'none';
  }

  /** Undefined where there are no groups on this machine; rejects where one cannot be made. */
  async make(name: string, limits: GroupLimits): Promise<Group | undefined> {
    const { home } = this;
    if (!home) return undefined;
    const folders = new Set([...home.folders.values()].map((folder) => join(folder, name)));
    const of = (controller: Controller): string | undefined => {
      const folder = home.folders.get(controller);
      return folder === undefined ? undefined : join(folder, name);
    };
    const made: string[] = [];
    try {
      for (const folder of folders) {
        await mkdir(folder);
        made.push(folder);
      }
      await (home.version === 'v1' ? limitV1(of, limits) : limitV2(of, limits));
    } catch (error) {
      await Promise.all(made.map(removeFolder));
      throw error;
    }
    return home.version === 'v1' ? groupV1(folders, of) : groupV2(folders, of);
  }

  /** Clears away groups whose process is gone, with whoever still lives in them. */
  async sweep(): Promise<void> {
    for (const folder of new Set(this.home?.folders.values())) {
      const names = await readdir(folder).catch(() => []);
      for (const name of names.filter(isLeftover)) {
        const path = join(folder, name);
        await killAll(path);
        await removeFolder(path);
      }
    }
  }
}

type FolderOf = (controller: Controller) => string | undefined;

async function limitV1(of: FolderOf, limits: GroupLimits): Promise<void> {
  const [memory, pids, cpu] = [of('memory'), of('pids'), of('cpu')];
  if (memory !== undefined) {
    await write(memory, 'memory.limit_in_bytes', limits.memoryBytesMax);
    // Only there where swap is counted.
    await write(memory, 'memory.memsw.limit_in_bytes', limits.memoryBytesMax).catch(() => undefined);
  }
  if (pids !== undefined) await write(pids, 'pids.max', limits.processesMax + ownProcesses);
  if (cpu !== undefined) {
    await write(cpu, 'cpu.cfs_period_us', periodUs);
    await write(cpu, 'cpu.cfs_quota_us', Math.max(quotaUsMin, Math.round(limits.cpuMax * periodUs)));
  }
}

async function limitV2(of: FolderOf, limits: GroupLimits): Promise<void> {
  const [memory, pids, cpu] = [of('memory'), of('pids'), of('cpu')];
  if (memory !== undefined) {
    await write(memory, 'memory.max', limits.memoryBytesMax);
    await write(memory, 'memory.swap.max', 0).catch(() => undefined);
  }
  if (pids !== undefined) await write(pids, 'pids.max', limits.processesMax + ownProcesses);
  if (cpu !== undefined) {
    const quotaUs = Math.max(quotaUsMin, Math.round(limits.cpuMax * periodUs));
    await write(cpu, 'cpu.max', `${quotaUs} ${periodUs}`);
  }
}

const write = (folder: string, name: string, value: number | string): Promise<void> =>
  writeFile(join(folder, name), String(value));

function groupV1(folders: ReadonlySet<string>, of: FolderOf): Group {
  const memory = of('memory');
  return {
    ...groupOver(folders),
    selfPlacing: [...folders].map((folder) => join(folder, 'tasks')),
    peakMemoryBytes: () => readNumber(memory, 'memory.max_usage_in_bytes', /^([0-9]+)/),
    memoryKills: async () => (await readNumber(memory, 'memory.oom_control', /^oom_kill ([0-9]+)/m)) ?? 0,
  };
}

function groupV2(folders: ReadonlySet<string>, of: FolderOf): Group {
  const memory = of('memory');
  return {
    ...groupOver(folders),
    selfPlacing: [],
    peakMemoryBytes: () => readNumber(memory, 'memory.peak', /^([0-9]+)/),
    memoryKills: async () => (await readNumber(memory, 'memory.events', /^oom_kill ([0-9]+)/m)) ?? 0,
  };
}

function groupOver(folders: ReadonlySet<string>): Pick<Group, 'place' | 'remove'> {
  return {
    place: async (pid) => {
      await Promise.all([...folders].map((folder) => write(folder, 'cgroup.procs', pid)));
    },
    remove: async () => (await Promise.all([...folders].map(removeFolder))).every(Boolean),
  };
}

async function readNumber(
  folder: string | undefined,
  name: string,
  what: RegExp,
): Promise<number | undefined> {
  if (folder === undefined) return undefined;
  const found = what.exec(await readFile(join(folder, name), 'latin1').catch(() => ''))?.[1];
  return found === undefined ? undefined : Number(found);
}

async function killAll(folder: string): Promise<void> {
  const pids = (await readFile(join(folder, 'cgroup.procs'), 'latin1').catch(() => '')).split('\n');
  for (const pid of pids.map(Number).filter((each) => each > 1)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
}

/** The kernel refuses while a dead process is not yet taken away. */
async function removeFolder(path: string): Promise<boolean> {
  for (let tries = 0; tries < removeTriesMax; tries += 1) {
    try {
      await rmdir(path);
      return true;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'ENOENT') return true;
      if (code !== 'EBUSY') return false;
    }
    await new Promise((resolve) => setTimeout(resolve, removePauseMs));
  }
  return false;
}
