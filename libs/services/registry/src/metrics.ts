/** The registry's counters and gauges, named in one place. */

import { serverStatuses } from '@cruvero/core';
import type { ServerRecord } from '@cruvero/core';
import type { CounterMetric, Metrics } from '@cruvero/ports';

export interface RegistryMetrics {
  /** `type` is an event type, `outcome` what became of it. */
  readonly events: CounterMetric;
  /** `kind` is sync or config, `outcome` ok or failed. */
  readonly publish: CounterMetric;
  /** Read at the next scrape. */
  outboxDepth: number;
  countServers(rows: readonly Pick<ServerRecord, 'status'>[]): void;
}

export function registryMetrics(metrics: Metrics): RegistryMetrics {
  const counts = new Map<string, number>(serverStatuses.map((status) => [status, 0]));
  const made: RegistryMetrics = {
    events: metrics.counter('registry_events_total', 'Lifecycle events by type and what became of them'),
    publish: metrics.counter('registry_publish_total', 'Messages published to gateways and listeners'),
    outboxDepth: 0,
    countServers: (rows) => {
      for (const status of serverStatuses) counts.set(status, 0);
      for (const { status } of rows) counts.set(status, (counts.get(status) ?? 0) + 1);
    },
  };
  metrics.gauge('registry_servers', 'Servers by status', () =>
    [...counts].map(([status, value]) => ({ value, labels: { status } })),
  );
  metrics.gauge('registry_outbox_depth', 'Committed events that are not published yet', () => [
    { value: made.outboxDepth },
  ]);
  return made;
}
