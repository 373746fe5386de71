/** The code-exec service: does a round of work at every interval. */

import type { Clock, Telemetry } from '@cruvero/ports';

export interface CodeExecConfig {
  /** From one round to the next; above 0. */
  readonly intervalMs: number;
}

export interface CodeExecPorts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Starts the service; disposing what it returns ends it. */
export function startCodeExec(config: CodeExecConfig, { clock, telemetry }: CodeExecPorts): AsyncDisposable {
  const log = telemetry.log.with({ service: 'code-exec' });
  const rounds = telemetry.metrics.counter('code_exec_rounds_total', 'Rounds of work done.');
  const timer = clock.every(config.intervalMs, () => rounds.add(1));
  log.info('started', { intervalMs: config.intervalMs });
  return {
    async [Symbol.asyncDispose]() {
      timer.cancel();
      log.info('stopped');
    },
  };
}
