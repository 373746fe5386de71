/** The credential-broker service: does a round of work at every interval. */

import type { Clock, Telemetry } from '@cruvero/ports';

export interface CredentialBrokerConfig {
  /** From one round to the next; above 0. */
  readonly intervalMs: number;
}

export interface CredentialBrokerPorts {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Starts the service; disposing what it returns ends it. */
export function startCredentialBroker(
  config: CredentialBrokerConfig,
  { clock, telemetry }: CredentialBrokerPorts,
): AsyncDisposable {
  const log = telemetry.log.with({ service: 'credential-broker' });
  const rounds = telemetry.metrics.counter('credential_broker_rounds_total', 'Rounds of work done.');
  const timer = clock.every(config.intervalMs, () => rounds.add(1));
  log.info('started', { intervalMs: config.intervalMs });
  return {
    async [Symbol.asyncDispose]() {
      timer.cancel();
      log.info('stopped');
    },
  };
}
