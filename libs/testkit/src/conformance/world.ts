/** What the sessions and requests of one conformance server share. */

import { randomBytes } from 'node:crypto';
import type { Json, JsonObject } from '@cruvero/core';
import { createRequestStateCodec, type RequestStateCodec } from '@modelcontextprotocol/server';
import { askingTools } from './asking-tools.ts';
import { Changes } from './changes.ts';
import { contentTools } from './content-tools.ts';
import { invalidParams, OfferError, type Era, type Tool } from './offer.ts';
import { streamTools } from './stream-tools.ts';
import { TaskStore } from './task-store.ts';
import { taskTools } from './task-tools.ts';

export class World extends Changes {
  readonly tasks = new TaskStore();
  readonly #states: RequestStateCodec<Json> = createRequestStateCodec<Json>({ key: randomBytes(32) });

  tools(era: Era): readonly Tool[] {
    const all = [...contentTools, ...streamTools(this), ...askingTools, ...taskTools];
    return all.filter((tool) => tool.era === undefined || tool.era === era);
  }

  /** What a tool keeps goes to the caller and back: signed, with the tool's name. */
  seal(name: string, keep: Json): Promise<string> {
    return this.#states.mint([name, keep]);
  }

  /** @throws OfferError for a state that was not given out for this name. */
  async unseal(name: string, state: string, context: StateContext): Promise<Json> {
    const found = await this.#states.verify(state, context).catch(() => undefined);
    if (!Array.isArray(found) || found[0] !== name)
      throw new OfferError(invalidParams, 'Invalid or expired requestState');
    return (found as readonly Json[])[1] ?? null;
  }

  close(): void {
    this.tasks.close();
  }
}

type StateContext = Parameters<RequestStateCodec<JsonObject>['verify']>[1];
