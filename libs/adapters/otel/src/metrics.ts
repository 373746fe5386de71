/** Metrics that cost a map look-up to count and are put into words only when somebody scrapes them. */

import type { CounterMetric, HistogramMetric, Labels, Log, Metrics } from '@cruvero/ports';

import type { exposition } from './exposition.ts';
import type { Family, HistogramValue } from './family.ts';
import { type Cell, LabelSets } from './label-sets.ts';

export interface Sum {
  total: number;
}

export type GaugeRead = () => Iterable<{ readonly value: number; readonly labels?: Labels }>;

export interface MetricsOptions {
  readonly service: string;
  readonly version: string;
  readonly log: Pick<Log, 'warn'>;
  /** Label sets of one metric; what is beyond counts as `other`. */
  readonly labelSetsMax: number;
}

const nameShape = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/**
 * Counters and histograms that are asked for twice are the same ones; gauges of one name are read one after
 * the other.
 */
export class ScrapedMetrics implements Metrics {
  readonly #options: MetricsOptions;
  readonly #counters = new Map<string, { readonly help: string; readonly sets: LabelSets<Sum> }>();
  readonly #histograms = new Map<string, Histogram>();
  readonly #gauges = new Map<
    string,
    { readonly help: string; readonly reads: GaugeRead[]; failed: boolean }
  >();
  /** Totals that somebody else keeps, such as processor time. */
  readonly #totals = new Map<string, { readonly help: string; readonly read: () => number }>();
  #words: Promise<ReturnType<typeof exposition>> | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
  }

  /** Amounts that are negative or no number are not counted. */
  counter(name: string, help: string): CounterMetric {
    this.#claim(name, this.#counters);
    const { sets } = kept(this.#counters, name, () => ({
      help,
      sets: this.#sets((): Sum => ({ total: 0 })),
    }));
    return {
      add: (value, labels) => {
        if (value >= 0 && value < Infinity) sets.of(labels).total += value;
      },
    };
  }

  histogram(name: string, help: string, buckets: readonly number[]): HistogramMetric {
    this.#claim(name, this.#histograms);
    const made = kept(this.#histograms, name, () => new Histogram(help, buckets, this.#options.labelSetsMax));
    if (made.buckets.join() !== buckets.join())
      throw new Error(`Histogram ${name} exists with other buckets`);
    return made;
  }

  gauge(name: string, help: string, read: GaugeRead): void {
    this.#claim(name, this.#gauges);
    kept(this.#gauges, name, () => ({ help, reads: [], failed: false })).reads.push(read);
  }

  /** A counter that is read at each scrape. */
  total(name: string, help: string, read: () => number): void {
    this.#claim(name, this.#totals);
    this.#totals.set(name, { help, read });
  }

  async text(): Promise<string> {
    const { service, version } = this.#options;
    // loaded by the first scrape: it would make up most of the start time
    this.#words ??= import('./exposition.ts').then((module) => module.exposition(service, version));
    const write = await this.#words;
    return write(this.families());
  }

  /** All metrics as they stand now. */
  families(): readonly Family[] {
    const families: Family[] = [];
    for (const [name, { help, sets }] of this.#counters) {
      families.push({ kind: 'counter', name, help, cells: sumsOf(sets) });
    }
    for (const [name, { help, read }] of this.#totals) {
      families.push({ kind: 'counter', name, help, cells: [{ labels: {}, value: read() }] });
    }
    for (const [name, { help, buckets, sets }] of this.#histograms) {
      families.push({ kind: 'histogram', name, help, buckets, cells: sets.cells() });
    }
    for (const [name, { help }] of this.#gauges) {
      families.push({ kind: 'gauge', name, help, cells: this.#readGauge(name) });
    }
    families.push(this.#foldedFamily());
    return families;
  }

  /** Later reads win over earlier ones of the same labels; what is beyond the bound is summed up. */
  #readGauge(name: string): Iterable<Cell<number>> {
    const gauge = this.#gauges.get(name);
    const { labelSetsMax, log } = this.#options;
    const sets = new LabelSets<Sum>(labelSetsMax, () => ({ total: 0 }));
    for (const read of gauge?.reads ?? []) {
      try {
        for (const { value, labels } of read()) {
          const before = sets.folded;
          const cell = sets.of(labels);
          cell.total = sets.folded > before ? cell.total + value : value;
        }
      } catch (error) {
        // one broken gauge must not hide all other metrics
        if (gauge && !gauge.failed) log.warn('A gauge cannot be read', { metric: name, error });
        if (gauge) gauge.failed = true;
      }
    }
    return sumsOf(sets);
  }

  #foldedFamily(): Family {
    const cells: Cell<number>[] = [];
    for (const [metric, { sets }] of [...this.#counters, ...this.#histograms]) {
      if (sets.folded > 0) cells.push({ labels: { metric }, value: sets.folded });
    }
    const help = 'Measurements counted as "other" because their metric has too many label sets.';
    return { kind: 'counter', name: 'metric_label_sets_folded_total', help, cells };
  }

  #sets<T>(make: () => T): LabelSets<T> {
    return new LabelSets(this.#options.labelSetsMax, make);
  }

  #claim(name: string, mine: ReadonlyMap<string, unknown>): void {
    if (!nameShape.test(name)) throw new Error(`${JSON.stringify(name)} is no name for a metric`);
    for (const others of [this.#counters, this.#histograms, this.#gauges, this.#totals]) {
      if (others !== mine && others.has(name)) throw new Error(`Metric ${name} exists as another kind`);
    }
  }
}

class Histogram implements HistogramMetric {
  readonly help: string;
  readonly buckets: readonly number[];
  readonly sets: LabelSets<HistogramValue>;

  constructor(help: string, buckets: readonly number[], labelSetsMax: number) {
    if (!buckets.every((bound, at) => at === 0 || bound > (buckets[at - 1] ?? Infinity))) {
      throw new RangeError('Histogram buckets must ascend');
    }
    this.help = help;
    this.buckets = [...buckets];
    const zeroes = buckets.map(() => 0);
    this.sets = new LabelSets(labelSetsMax, () => ({ counts: [...zeroes, 0], sum: 0, count: 0 }));
  }

  record(value: number, labels?: Labels): void {
    if (!(value >= 0 && value < Infinity)) return;
    const cell = this.sets.of(labels);
    let at = 0;
    while (at < this.buckets.length && value > (this.buckets[at] ?? Infinity)) at += 1;
    cell.counts[at] = (cell.counts[at] ?? 0) + 1;
    cell.sum += value;
    cell.count += 1;
  }
}

function* sumsOf(sets: LabelSets<Sum>): Iterable<Cell<number>> {
  for (const { labels, value } of sets.cells()) yield { labels, value: value.total };
}

function kept<T>(map: Map<string, T>, name: string, make: () => T): T {
  const known = map.get(name);
  if (known !== undefined) return known;
  const made = make();
  map.set(name, made);
  return made;
}
