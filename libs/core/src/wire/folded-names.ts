/** Names that some JSON readers take for others: they fold case, and more than ASCII folds (`ſ` to `s`, the Kelvin sign to `k`). */

import type { Members } from './json-spans.ts';

/** Names by their folded form. */
export type FoldedNames = ReadonlyMap<string, string>;

function fold(name: string): string {
  const lower = name.toLowerCase();
  return /[\u0080-\uffff]/.test(lower) ? lower.toUpperCase().toLowerCase() : lower;
}

export function foldedNames(names: readonly string[]): FoldedNames {
  return new Map(names.map((name) => [fold(name), name]));
}

/**
 * The first member that is not one of the names but folds to one: a reader that folds case would take it for that one
 * (CVE-2026-27896), so two readers of the text would see two messages.
 */
export function nameTwin(
  members: Members,
  names: FoldedNames,
): { readonly twin: string; readonly of: string } | undefined {
  for (const twin of members.keys()) {
    const of = names.get(fold(twin));
    if (of !== undefined && of !== twin) return { twin, of };
  }
  return undefined;
}
