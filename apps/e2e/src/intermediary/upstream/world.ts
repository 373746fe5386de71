/** What one of the suite's servers holds: who listens, what waits, what changed. */

import type { JsonObject } from '@cruvero/core';
import { serverEra, type ServerKind } from '../target.ts';
import type { Hearing } from './hearing.ts';

export type ListName = 'tools' | 'prompts' | 'resources';

/** Somebody who is told of changes: a legacy session, or a modern subscription. */
export interface Ear {
  wantsList(list: ListName): boolean;
  wantsResource(uri: string): boolean;
  wantsTask(taskId: string): boolean;
  tell(method: string, params: JsonObject): void;
}

export interface Task {
  readonly taskId: string;
  readonly createdAt: string;
  status: 'working' | 'completed' | 'cancelled';
}

/** Calls of one group that wait for each other. */
interface Group {
  readonly waiting: (() => void)[];
}

export class World {
  readonly kind: ServerKind;
  readonly era: 'modern' | 'legacy';
  readonly hearing: Hearing;
  readonly ears = new Set<Ear>();
  readonly tasks = new Map<string, Task>();
  /** How often each list was changed: each holds one more item for it. */
  readonly revisions: Record<ListName, number> = { tools: 0, prompts: 0, resources: 0 };
  /** How often a resource was read. */
  reads = 0;
  readonly #released = new Map<string, PromiseWithResolvers<void>>();
  readonly #groups = new Map<string, Group>();

  constructor(kind: ServerKind, hearing: Hearing) {
    this.kind = kind;
    this.era = serverEra(kind);
    this.hearing = hearing;
  }

  change(list: ListName): void {
    this.revisions[list] += 1;
    for (const ear of this.ears) if (ear.wantsList(list)) ear.tell(`notifications/${list}/list_changed`, {});
  }

  updated(uri: string): void {
    for (const ear of this.ears)
      if (ear.wantsResource(uri)) ear.tell('notifications/resources/updated', { uri });
  }

  /** Resolves when the suite says so. */
  released(tag: string): Promise<void> {
    return this.#release(tag).promise;
  }

  release(tag: string): void {
    this.#release(tag).resolve();
  }

  #release(tag: string): PromiseWithResolvers<void> {
    let found = this.#released.get(tag);
    if (!found) this.#released.set(tag, (found = Promise.withResolvers<void>()));
    return found;
  }

  /** Resolves when `count` calls of the group wait, the last one first. */
  gathered(name: string, count: number): Promise<void> {
    const group = this.#groups.get(name) ?? { waiting: [] };
    this.#groups.set(name, group);
    return new Promise((resolve) => {
      group.waiting.push(resolve);
      if (group.waiting.length === count) for (const go of group.waiting.toReversed()) go();
    });
  }
}
