/** Figures out of samples: middles and tails, and ratios taken round by round so that noise meets both sides alike. */

import type { Sample } from './orders.ts';

export interface Figures {
  readonly calls: number;
  /** The middle one of the rounds. */
  readonly callsPerSecond: number;
  /** Over the calls of all rounds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
  readonly problems: readonly string[];
  /** Processor time of the target for one call; undefined where the system does not tell. */
  readonly cpuUsPerCall: number | undefined;
}

/** One round of one target. */
export interface Round {
  readonly sample: Sample;
  readonly cpuMs: number | undefined;
}

/** The value that this share of the sorted values does not exceed; 0 of nothing. */
export function percentile(sorted: Float64Array, share: number): number {
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1));
  return sorted[index] ?? 0;
}

/** The middle value; 0 of nothing. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? 0)) / 2;
}

const rateOf = ({ sample }: Round): number => sample.tookMs.length / sample.seconds;

export function figuresOf(rounds: readonly Round[]): Figures {
  const calls = rounds.reduce((sum, { sample }) => sum + sample.tookMs.length, 0);
  const all = new Float64Array(calls);
  let at = 0;
  for (const { sample } of rounds) {
    all.set(sample.tookMs, at);
    at += sample.tookMs.length;
  }
  all.sort();
  const costs = rounds.map(({ cpuMs }) => cpuMs);
  const known = costs.filter((cost) => cost !== undefined);
  const cpuMs = known.reduce((sum, cost) => sum + cost, 0);
  return {
    calls,
    callsPerSecond: median(rounds.map(rateOf)),
    p50Ms: percentile(all, 0.5),
    p99Ms: percentile(all, 0.99),
    errors: rounds.reduce((sum, { sample }) => sum + sample.errors, 0),
    problems: rounds.flatMap(({ sample }) => sample.problems).slice(0, 3),
    cpuUsPerCall: known.length === costs.length && calls > 0 ? (cpuMs * 1_000) / calls : undefined,
  };
}

/** Throughput of one against the other, the middle one of the rounds; undefined where the other did nothing. */
export function throughputRatio(one: readonly Round[], other: readonly Round[]): number | undefined {
  const ratios = one.flatMap((round, index) => {
    const against = other[index];
    return against && rateOf(against) > 0 ? [rateOf(round) / rateOf(against)] : [];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

/** The order of the targets in a round: each begins once, so that none is always after the same other. */
export function rotated<T>(targets: readonly T[], round: number): readonly T[] {
  const by = targets.length === 0 ? 0 : round % targets.length;
  return [...targets.slice(by), ...targets.slice(0, by)];
}
