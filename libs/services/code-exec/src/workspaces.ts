/** Named folders of files that a caller finds again at its next call. */

import type { Clock, SandboxFile } from '@cruvero/ports';

export interface WorkspacesOptions {
  readonly idleMs: number;
  readonly perOwnerMax: number;
  /** Of one workspace. */
  readonly bytesMax: number;
  /** Of all workspaces of all owners; one owner has at most a quarter. */
  readonly totalBytesMax: number;
}

interface Workspace {
  readonly owner: string;
  readonly name: string;
  files: readonly SandboxFile[];
  bytes: number;
  usedAtMs: number;
  inUse: boolean;
}

export interface Lent {
  readonly files: readonly SandboxFile[];
  /** Undefined leaves it as it was; so do files that there is no room for, and then it says false. */
  giveBack(files: readonly SandboxFile[] | undefined): boolean;
}

/** All owners together: empty ones cost memory too. */
const workspacesMax = 4_096;
/** One owner's part of everything, so that nobody can push out the files of all others. */
const ownerShare = 1 / 4;

export class Workspaces {
  readonly #options: WorkspacesOptions;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #all = new Set<Workspace>();

  constructor(options: WorkspacesOptions, clock: Pick<Clock, 'monotonicMs'>) {
    this.#options = options;
    this.#clock = clock;
  }

  /** One call at a time has it: two that write the same files would lose the work of one. */
  lend(owner: string, name: string): Lent | 'in_use' | 'none_here' {
    if (this.#options.perOwnerMax === 0) return 'none_here';
    this.sweep();
    const own = this.#of(owner);
    const workspace = own.find((one) => one.name === name) ?? this.#make(owner, name, own);
    if (!workspace || workspace.inUse) return 'in_use';
    workspace.inUse = true;
    return { files: workspace.files, giveBack: (files) => this.#giveBack(workspace, files) };
  }

  /** In place of the one unused longest, of this owner or of all; undefined where every one of them is in use. */
  #make(owner: string, name: string, own: readonly Workspace[]): Workspace | undefined {
    if (own.length >= this.#options.perOwnerMax && !this.#dropOldest(own)) return undefined;
    if (this.#all.size >= workspacesMax && !this.#dropOldest(this.#all)) return undefined;
    const usedAtMs = this.#clock.monotonicMs();
    const made: Workspace = { owner, name, files: [], bytes: 0, usedAtMs, inUse: false };
    this.#all.add(made);
    return made;
  }

  #giveBack(workspace: Workspace, files: readonly SandboxFile[] | undefined): boolean {
    workspace.usedAtMs = this.#clock.monotonicMs();
    const bytes = files?.reduce((sum, { bytes: { length } }) => sum + length, 0) ?? 0;
    const isTaken = files === undefined || this.#hasRoom(workspace, bytes);
    if (files && isTaken) Object.assign(workspace, { files, bytes });
    workspace.inUse = false;
    return isTaken;
  }

  /** Makes it where it can; what is in use stays. */
  #hasRoom(workspace: Workspace, bytes: number): boolean {
    const { bytesMax, totalBytesMax } = this.#options;
    if (bytes > bytesMax) return false;
    const fits = (all: () => Iterable<Workspace>, most: number): boolean => {
      while (bytesOf(all()) - workspace.bytes + bytes > most) if (!this.#dropOldest(all())) return false;
      return true;
    };
    return (
      fits(() => this.#of(workspace.owner), totalBytesMax * ownerShare) &&
      fits(() => this.#all, totalBytesMax)
    );
  }

  #of(owner: string): readonly Workspace[] {
    return [...this.#all].filter((one) => one.owner === owner);
  }

  /** The one unused longest; false where all are in use. */
  #dropOldest(all: Iterable<Workspace>): boolean {
    const [oldest] = [...all].filter(({ inUse }) => !inUse).sort((a, b) => a.usedAtMs - b.usedAtMs);
    return oldest !== undefined && this.#all.delete(oldest);
  }

  sweep(): void {
    const oldestMs = this.#clock.monotonicMs() - this.#options.idleMs;
    for (const one of this.#all) if (!one.inUse && one.usedAtMs <= oldestMs) this.#all.delete(one);
  }
}

function bytesOf(all: Iterable<Workspace>): number {
  let bytes = 0;
  for (const one of all) bytes += one.bytes;
  return bytes;
}
