/** What a run found, as text for a terminal. */

import { throughputRatio, figuresOf, type Figures, type Round } from './figures.ts';
import type { Goal } from './goals.ts';
import type { SessionsFound, SilentFound } from './memory.ts';

export interface Row extends Figures {
  readonly target: string;
  /** The gateway's throughput of this target's; undefined for the gateway itself. */
  readonly gatewayRatio: number | undefined;
  /** The gateway's processor time for a call, of this target's. */
  readonly gatewayCpuRatio: number | undefined;
}

export interface LoadFound {
  readonly load: string;
  readonly rows: readonly Row[];
}

export function loadFound(load: string, rounds: ReadonlyMap<string, readonly Round[]>): LoadFound {
  const gateway = rounds.get('gateway') ?? [];
  const gatewayCpuUs = figuresOf(gateway).cpuUsPerCall;
  const rows = [...rounds].map(([target, own]) => {
    const figures = figuresOf(own);
    const { cpuUsPerCall } = figures;
    const comparable = target !== 'gateway' && gatewayCpuUs !== undefined && (cpuUsPerCall ?? 0) > 0;
    return {
      target,
      ...figures,
      gatewayRatio: target === 'gateway' ? undefined : throughputRatio(gateway, own),
      gatewayCpuRatio: comparable ? gatewayCpuUs / (cpuUsPerCall ?? 1) : undefined,
    };
  });
  return { load, rows };
}

/** Aligned columns: the first to the left, all others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lineOf = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ');
  return rows.map((row) => `  ${lineOf(row)}`.trimEnd()).join('\n');
}

const heading = ['', 'calls/s', 'p50 ms', 'p99 ms', 'cpu µs/call', 'errors', 'gateway: calls/s', 'cpu'];

const times = (ratio: number | undefined): string => (ratio === undefined ? '' : `× ${ratio.toFixed(2)}`);

export function loadText({ load, rows }: LoadFound): string {
  const cells = rows.map((row) => [
    row.target,
    row.callsPerSecond.toFixed(0),
    row.p50Ms.toFixed(3),
    row.p99Ms.toFixed(2),
    row.cpuUsPerCall?.toFixed(0) ?? '-',
    String(row.errors),
    times(row.gatewayRatio),
    times(row.gatewayCpuRatio),
  ]);
  const problems = rows.flatMap(({ target, problems: said }) => said.map((each) => `  ! ${target}: ${each}`));
  return [`\n${load}`, table([heading, ...cells]), ...problems].join('\n');
}

const verdicts = new Map([
  [true, 'met'],
  [false, 'NOT met'],
]);

/** Above this, figures of time are other programs' as much as the gateway's. */
const foreignShareMax = 0.1;

export function goalsText(goals: readonly Goal[], foreignShare: number): string {
  const rows = goals.map(({ name, wanted, measured, met }) => [
    name,
    wanted,
    measured,
    met === undefined ? '-' : (verdicts.get(met) ?? ''),
  ]);
  const percent = (foreignShare * 100).toFixed(0);
  const busy =
    foreignShare > foreignShareMax
      ? [
          `\nOther programs had ${percent} % of the processors: run it again on a quiet machine; cpu µs/call still holds.`,
        ]
      : [];
  return [`\ngoals\n${table([['', 'wanted', 'measured', ''], ...rows])}`, ...busy].join('\n');
}

export function memoryText(sessions: SessionsFound, silent: SilentFound): string {
  const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(0);
  const said = [...sessions.problems, ...silent.problems].map((each) => `  ! gateway: ${each}`);
  return [
    `\nidle legacy sessions: ${sessions.sessions} opened at ${sessions.perSecond.toFixed(0)} a second, ` +
      `${sessions.heapBytesEach.toFixed(0)} bytes of heap each (process: ${sessions.rssBytesEach.toFixed(0)}), ` +
      `${sessions.errors} errors`,
    `\nsilent readers: ${silent.readers} calls with large results in event streams that nobody reads, ${silent.answered} of them begun by the server`,
    table([
      ['small tools/call beside them, 8 connections', 'p99 ms'],
      ['without them', silent.p99Ms.alone.toFixed(2)],
      ['while they come', silent.p99Ms.arriving.toFixed(2)],
      ['while they stand', silent.p99Ms.standing.toFixed(2)],
      ['standing of without', silent.ratio.toFixed(2)],
    ]),
    `  ${silent.errors} errors; the gateway held ${mib(silent.heldBytes)} MiB more for them`,
    ...said,
  ].join('\n');
}
