/**
 * The cells of one metric, one a set of labels: found without sorting or serialising, and never more than a
 * bound.
 */

import type { Labels } from '@cruvero/ports';

export interface Cell<T> {
  readonly labels: Labels;
  readonly value: T;
}

/** The value of every label of the cell that stands for all sets beyond the bound. */
const other = 'other';
const valueCharsMax = 160;
const none: Labels = {};

/** Writing order of labels does not matter: `{a, b}` and `{b, a}` are one set. */
export class LabelSets<T> {
  readonly #setsMax: number;
  readonly #make: () => T;
  /** By labels in order of name. */
  readonly #cells = new Map<string, Cell<T>>();
  /** By labels as a caller writes them; a shortcut to the same cells. */
  readonly #asWritten = new Map<string, Cell<T>>();
  #folded = 0;

  constructor(setsMax: number, make: () => T) {
    this.#setsMax = setsMax;
    this.#make = make;
  }

  /** How many times a set was counted as `other`. */
  get folded(): number {
    return this.#folded;
  }

  cells(): Iterable<Cell<T>> {
    return this.#cells.values();
  }

  of(labels: Labels = none): T {
    let key = '';
    for (const name in labels) {
      // with its length before it, no value can pass itself off as the next label
      const value = labels[name] ?? '';
      key += `${name}=${value.length}:${value}`;
    }
    const known = this.#asWritten.get(key);
    if (known) return known.value;
    return this.#find(key, labels);
  }

  #find(key: string, labels: Labels): T {
    const cut = ordered(labels, (value) => value.slice(0, valueCharsMax));
    let cell = this.#cells.get(keyOf(cut));
    if (!cell) {
      if (this.#cells.size >= this.#setsMax) return this.#other(labels);
      cell = { labels: cut, value: this.#make() };
      this.#cells.set(keyOf(cut), cell);
    }
    // callers write a set in one or two orders; long values are not worth a shortcut
    if (this.#asWritten.size < 2 * this.#setsMax && key.length <= 1_024) this.#asWritten.set(key, cell);
    return cell.value;
  }

  /** One more cell for each combination of names, and those stand in code. */
  #other(labels: Labels): T {
    this.#folded += 1;
    const folded = ordered(labels, () => other);
    const key = keyOf(folded);
    const cell = this.#cells.get(key) ?? { labels: folded, value: this.#make() };
    this.#cells.set(key, cell);
    return cell.value;
  }
}

function ordered(labels: Labels, map: (value: string) => string): Labels {
  const names = Object.keys(labels).sort();
  return Object.fromEntries(names.map((name) => [name, map(String(labels[name]))]));
}

const keyOf = (labels: Labels): string => JSON.stringify(Object.entries(labels));
