/** Ids of tasks as callers know them: sealed, with the server and the instance that run the task and the caller who had it made. */

import { readServerName, type Principal, type ServerName } from '@cruvero/core';
import type { Seal, SealPurpose } from './seal.ts';
import { ownerKey } from './sessions/sessions.ts';

export interface TaskPlace {
  readonly server: ServerName;
  readonly instanceId: string;
  /** The id at the server. */
  readonly own: string;
  /** Tells apart what the same instance keeps apart; absent where it keeps all its tasks together. */
  readonly room?: string | undefined;
}

export class TaskIds {
  readonly #seal: Seal;
  readonly #purpose: SealPurpose;
  /** A task has one id for its caller, however often it is mentioned; sealing anew would give it another each time. */
  readonly #known = new Map<string, string>();

  /** Tasks of the two eras have nothing in common: an id of one opens for no request of the other. */
  constructor(seal: Seal, purpose: Extract<SealPurpose, 'task' | 'legacy-task'> = 'task') {
    this.#seal = seal;
    this.#purpose = purpose;
  }

  expose(principal: Principal, place: TaskPlace): string {
    const text = textOf(principal, place);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const sealed = this.#seal.seal(this.#purpose, text);
    this.#remember(text, sealed);
    return sealed;
  }

  /** True where this replica lately gave the caller the id of this task, or was given it. */
  knows(principal: Principal, place: TaskPlace): boolean {
    return this.#known.has(textOf(principal, place));
  }

  /** Undefined for an id of another caller, or of nobody. */
  open(principal: Principal, sealed: string): TaskPlace | undefined {
    const text = this.#seal.open(this.#purpose, sealed);
    if (text === undefined) return undefined;
    const [owner, name, instanceId, own, room] = JSON.parse(text) as [
      ...[string, string, string, string],
      string?,
    ];
    const server = readServerName(name);
    if (owner !== ownerKey(principal) || !server) return undefined;
    // Another replica may have sealed it; from now on it is called so here too.
    this.#remember(text, sealed);
    return { server, instanceId, own, room };
  }

  #remember(text: string, sealed: string): void {
    this.#known.delete(text);
    this.#known.set(text, sealed);
    if (this.#known.size <= knownMax) return;
    const oldest = this.#known.keys().next();
    if (oldest.done !== true) this.#known.delete(oldest.value);
  }
}

const knownMax = 10_000;

function textOf(principal: Principal, { server, instanceId, own, room }: TaskPlace): string {
  const text = [ownerKey(principal), server, instanceId, own];
  return JSON.stringify(room === undefined ? text : [...text, room]);
}
