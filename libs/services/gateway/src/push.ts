/** Tells listening clients that a list changed: several changes in a moment are one notification. */

import type { ListKind, Server, ServerName, TenantId } from '@cruvero/core';
import type { Clock, Timer } from '@cruvero/ports';
import type { Door } from './door.ts';

export type ListChange = 'tools' | 'resources' | 'prompts';

export interface Listening {
  readonly tenantId: TenantId;
  readonly door: Door;
  readonly wants: ReadonlySet<ListChange>;
  /** Must not throw; called once per kind. */
  readonly tell: (change: ListChange) => void;
}

/** Whether a server has a part in this virtual one. */
export type IsMember = (tenantId: TenantId, virtual: ServerName, server: ServerName) => boolean;

const gatherMs = 50;
const allChanges: readonly ListChange[] = ['tools', 'resources', 'prompts'];

export class Push {
  readonly #listening = new Set<Listening>();
  readonly #due = new Map<Listening, Set<ListChange>>();
  readonly #clock: Clock;
  readonly #isMember: IsMember;
  #timer: Timer | undefined;

  constructor(clock: Clock, isMember: IsMember) {
    this.#clock = clock;
    this.#isMember = isMember;
  }

  get size(): number {
    return this.#listening.size;
  }

  add(listening: Listening): { close(): void } {
    this.#listening.add(listening);
    return {
      close: () => {
        this.#listening.delete(listening);
        this.#due.delete(listening);
      },
    };
  }

  /** Something of this server's lists changed. */
  changed(tenantId: TenantId, server: Server, kinds: readonly ListKind[]): void {
    const concerns = (door: Door): boolean => {
      if (door.door === 'virtual') return this.#isMember(tenantId, door.name, server.name);
      return door.door === 'aggregate' || door.name === server.name;
    };
    this.#note(tenantId, [...new Set(kinds.map(listChange))], concerns);
  }

  /** A virtual server is another one now: any of its lists may have changed. */
  virtualChanged(tenantId: TenantId, name: ServerName): void {
    this.#note(tenantId, allChanges, (door) => door.door === 'virtual' && door.name === name);
  }

  #note(tenantId: TenantId, changes: readonly ListChange[], concerns: (door: Door) => boolean): void {
    for (const one of this.#listening) {
      if (one.tenantId !== tenantId || !concerns(one.door)) continue;
      const due = this.#due.get(one) ?? new Set();
      for (const change of changes) if (one.wants.has(change)) due.add(change);
      if (due.size > 0) this.#due.set(one, due);
    }
    if (this.#due.size > 0) this.#timer ??= this.#clock.after(gatherMs, () => this.#tell());
  }

  close(): void {
    this.#timer?.cancel();
    this.#listening.clear();
    this.#due.clear();
  }

  #tell(): void {
    this.#timer = undefined;
    const due = [...this.#due];
    this.#due.clear();
    for (const [one, changes] of due) for (const change of changes) one.tell(change);
  }
}

function listChange(kind: ListKind): ListChange {
  return kind === 'resourceTemplates' ? 'resources' : kind;
}
