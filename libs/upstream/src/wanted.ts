/** What one feed wants to hear, as it changes: its lists and tasks, and its resources, each counted. */

import type { ListenedList, ListenFilter } from '@cruvero/core';

export class Wanted {
  readonly lists: ReadonlySet<ListenedList>;
  readonly taskIds: readonly string[];
  /** Set by the feed's owner; undefined: as the session was opened. */
  logLevel: string | undefined;
  readonly #uris = new Map<string, number>();

  constructor(filter: ListenFilter) {
    this.lists = filter.lists;
    this.taskIds = filter.taskIds;
    for (const uri of filter.uris) this.add(uri);
  }

  get uris(): readonly string[] {
    return [...this.#uris.keys()];
  }

  count(uri: string): number {
    return this.#uris.get(uri) ?? 0;
  }

  add(uri: string): void {
    this.#uris.set(uri, this.count(uri) + 1);
  }

  /** One less; at none it is not wanted any more. */
  remove(uri: string): void {
    const left = this.count(uri) - 1;
    if (left > 0) this.#uris.set(uri, left);
    else this.#uris.delete(uri);
  }

  /** With one resource more, or without one. */
  filter(change: { readonly with?: string; readonly without?: string } = {}): ListenFilter {
    const uris = this.uris.filter((uri) => uri !== change.without);
    if (change.with !== undefined && !uris.includes(change.with)) uris.push(change.with);
    return { lists: this.lists, uris, taskIds: this.taskIds };
  }

  /** Whether a message is for this feed: one session, and so one stream, may serve several. */
  hears(method: string): boolean {
    const list = listOf[method];
    if (list !== undefined) return this.lists.has(list);
    return method !== 'notifications/resources/updated' || this.#uris.size > 0;
  }
}

const listOf: Readonly<Partial<Record<string, ListenedList>>> = {
  'notifications/tools/list_changed': 'tools',
  'notifications/prompts/list_changed': 'prompts',
  'notifications/resources/list_changed': 'resources',
};
