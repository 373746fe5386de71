/** One metric at a scrape: its name and all its cells. */

import type { Cell } from './label-sets.ts';

export interface HistogramValue {
  readonly counts: number[];
  sum: number;
  count: number;
}

/** One metric as it stands at a scrape. */
export type Family =
  | {
      readonly kind: 'counter' | 'gauge';
      readonly name: string;
      readonly help: string;
      readonly cells: Iterable<Cell<number>>;
    }
  | {
      readonly kind: 'histogram';
      readonly name: string;
      readonly help: string;
      readonly buckets: readonly number[];
      readonly cells: Iterable<Cell<HistogramValue>>;
    };
