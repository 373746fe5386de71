/** What changes while a conformance server runs, and who is told. */

export type Change =
  | { readonly kind: 'tools' }
  | { readonly kind: 'prompts' }
  | { readonly kind: 'resource'; readonly uri: string };

export class Changes {
  /** How often each list changed. */
  readonly revisions = { tools: 1, prompts: 1 };
  readonly #listeners = new Set<(change: Change) => void>();

  change(change: Change): void {
    if (change.kind !== 'resource') this.revisions[change.kind] += 1;
    for (const listener of this.#listeners) listener(change);
  }

  /** Returns the way to stop listening. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
