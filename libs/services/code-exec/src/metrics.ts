/** What code execution counts. */

import type { CounterMetric, Metrics, SandboxOutcome, SandboxProgram } from '@cruvero/ports';
import type { KeptFiles } from './kept-files.ts';
import type { Turns } from './turns.ts';

export interface CodeExecMetrics {
  readonly refused: CounterMetric;
  ran(program: SandboxProgram, outcome: SandboxOutcome): void;
}

export function codeExecMetrics(metrics: Metrics, turns: Turns, kept: KeptFiles): CodeExecMetrics {
  const runs = metrics.counter('code_exec_runs_total', 'Runs, by program and how they ended.');
  const durations = metrics.histogram(
    'code_exec_run_duration_ms',
    'How long runs took.',
    [25, 50, 100, 250, 500, 1_000, 5_000, 15_000, 30_000, 60_000],
  );
  metrics.gauge('code_exec_running', 'Runs under way.', () => [{ value: turns.running }]);
  metrics.gauge('code_exec_waiting', 'Calls that wait for their turn.', () => [{ value: turns.waiting }]);
  metrics.gauge('code_exec_kept_bytes', 'Produced files that can still be read.', () => [
    { value: kept.bytes },
  ]);
  return {
    refused: metrics.counter('code_exec_refused_total', 'Calls that were not run, by reason.'),
    ran: (program, { ended, durationMs }) => {
      runs.add(1, { program, ended });
      durations.record(durationMs, { program });
    },
  };
}
