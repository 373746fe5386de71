/** What the instances say about their server: as well as the best of them. */

import type { HealthStatus, InstanceRecord } from '@cruvero/core';

const bestFirst: readonly HealthStatus[] = [
  'healthy',
  'degraded',
  'unknown',
  'unhealthy',
  'stale',
  'expired',
];

export interface ServerHealth {
  readonly health: HealthStatus;
  readonly reason?: string;
}

/** Of no instance: expired. */
export function healthOfServer(instances: readonly InstanceRecord[]): ServerHealth {
  const rank = (row: InstanceRecord): number => bestFirst.indexOf(row.healthStatus);
  const best = [...instances].sort((a, b) => rank(a) - rank(b))[0];
  if (!best) return { health: 'expired', reason: 'no instance is left' };
  return best.healthReason === undefined
    ? { health: best.healthStatus }
    : { health: best.healthStatus, reason: best.healthReason };
}
