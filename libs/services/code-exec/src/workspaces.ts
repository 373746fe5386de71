/** Named folders of files that a caller finds again at its next call. */

import type { Clock, SandboxFile } from '@cruvero/ports';

export interface WorkspacesOptions {
  readonly idleMs: number;
  readonly perOwnerMax: number;
  readonly bytesMax: number;
}

interface Workspace {
  files: readonly SandboxFile[];
  usedAtMs: number;
  inUse: boolean;
}

export interface Lent {
  readonly files: readonly SandboxFile[];
  /** Undefined leaves it as it was; so do files that are too large together, and then it says false. */
  giveBack(files: readonly SandboxFile[] | undefined): boolean;
}

/** All owners together; each holds at most its own bound. */
const ownersMax = 1_000;

export class Workspaces {
  readonly #options: WorkspacesOptions;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #owners = new Map<string, Map<string, Workspace>>();

  constructor(options: WorkspacesOptions, clock: Pick<Clock, 'monotonicMs'>) {
    this.#options = options;
    this.#clock = clock;
  }

  /** One call at a time has it: two that write the same files would lose the work of one. */
  lend(owner: string, name: string): Lent | 'in_use' | 'none_here' {
    if (this.#options.perOwnerMax === 0) return 'none_here';
    this.sweep();
    const own = this.#of(owner);
    if (!own) return 'in_use';
    let workspace = own.get(name);
    if (workspace?.inUse === true) return 'in_use';
    if (!workspace) {
      if (own.size >= this.#options.perOwnerMax && !dropOldest(own)) return 'in_use';
      own.set(name, (workspace = { files: [], usedAtMs: this.#clock.monotonicMs(), inUse: true }));
    }
    const lent = workspace;
    lent.inUse = true;
    return { files: lent.files, giveBack: (files) => this.#giveBack(lent, files) };
  }

  #giveBack(workspace: Workspace, files: readonly SandboxFile[] | undefined): boolean {
    workspace.inUse = false;
    workspace.usedAtMs = this.#clock.monotonicMs();
    if (!files) return true;
    if (files.reduce((sum, { bytes }) => sum + bytes.length, 0) > this.#options.bytesMax) return false;
    workspace.files = files;
    return true;
  }

  #of(owner: string): Map<string, Workspace> | undefined {
    let own = this.#owners.get(owner);
    if (!own && this.#owners.size < ownersMax) this.#owners.set(owner, (own = new Map()));
    return own;
  }

  sweep(): void {
    const oldestMs = this.#clock.monotonicMs() - this.#options.idleMs;
    for (const [owner, own] of this.#owners) {
      for (const [name, { inUse, usedAtMs }] of own) if (!inUse && usedAtMs <= oldestMs) own.delete(name);
      if (own.size === 0) this.#owners.delete(owner);
    }
  }
}

function dropOldest(own: Map<string, Workspace>): boolean {
  const free = [...own].filter(([, { inUse }]) => !inUse);
  const [oldest] = free.sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
  return oldest !== undefined && own.delete(oldest[0]);
}
