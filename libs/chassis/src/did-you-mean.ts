/**
 * Finds variables that are probably a misspelt setting: one wrong letter must not silently leave a default
 * standing.
 */

/** A variable that nobody reads, and the setting that was probably meant. */
export interface Misspelling {
  readonly name: string;
  readonly meant: string;
  /** A whole sentence. */
  readonly warning: string;
}

const nameCharsMax = 128;
const warningsMax = 20;

/**
 * Compares the variables that begin with one of `prefixes` and are none of `known`. In a process of several
 * services give the names of all of them.
 */
export function didYouMean(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
  prefixes: readonly string[] = ['CRUVERO_'],
): readonly Misspelling[] {
  const knownNames = new Set(known);
  const found: Misspelling[] = [];
  for (const name of Object.keys(env).sort()) {
    if (found.length >= warningsMax) break;
    if (knownNames.has(name) || name.length > nameCharsMax) continue;
    if (!prefixes.some((prefix) => name.toUpperCase().startsWith(prefix))) continue;
    const meant = nearest(name, known);
    if (meant !== undefined) {
      found.push({
        name,
        meant,
        warning: `${name} is not a setting and has no effect; did you mean ${meant}?`,
      });
    }
  }
  return found;
}

/** A name that is set already may also be meant: it was then written twice, once wrongly. */
function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of known) {
    const distance = editDistance(name.toUpperCase(), candidate, bestDistance);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/**
 * Letters to insert, delete, change or swap with their neighbour to make `b` of `a`; `limit` stands for
 * everything that is not below it.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const changed = (last[j - 1] ?? limit) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(changed, (last[j] ?? limit) + 1, (row[j - 1] ?? limit) + 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, (beforeLast[j - 2] ?? limit) + 1);
      row.push(least);
    }
    [beforeLast, last] = [last, row];
  }
  return Math.min(limit, last[b.length] ?? limit);
}
