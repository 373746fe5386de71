/** Ids of tasks as callers know them: sealed, with the server and the instance that run the task and the caller who had it made. */

import { readServerName, type Principal, type ServerName } from '@cruvero/core';
import type { Seal } from './seal.ts';
import { ownerKey } from './sessions/sessions.ts';

export interface TaskPlace {
  readonly server: ServerName;
  readonly instanceId: string;
  /** The id at the server. */
  readonly own: string;
}

export class TaskIds {
  readonly #seal: Seal;
  /** A task has one id for its caller, however often it is mentioned; sealing anew would give it another each time. */
  readonly #known = new Map<string, string>();

  constructor(seal: Seal) {
    this.#seal = seal;
  }

  expose(principal: Principal, place: TaskPlace): string {
    const text = JSON.stringify([ownerKey(principal), place.server, place.instanceId, place.own]);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const sealed = this.#seal.seal('task', text);
    this.#remember(text, sealed);
    return sealed;
  }

  /** Undefined for an id of another caller, or of nobody. */
  open(principal: Principal, sealed: string): TaskPlace | undefined {
    const text = this.#seal.open('task', sealed);
    if (text === undefined) return undefined;
    const [owner, name, instanceId, own] = JSON.parse(text) as [string, string, string, string];
    const server = readServerName(name);
    if (owner !== ownerKey(principal) || !server) return undefined;
    // Another replica may have sealed it; from now on it is called so here too.
    this.#remember(text, sealed);
    return { server, instanceId, own };
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
