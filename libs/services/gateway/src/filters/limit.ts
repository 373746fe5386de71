/** Holds every principal to its profile's rate. */

import { fullBucket, takeToken, type Bucket } from '@cruvero/core';
import type { Clock, Telemetry } from '@cruvero/ports';
import type { Filter } from '../pipeline.ts';

/** Buckets kept; the one unused longest goes first, and comes back full. */
const bucketsMax = 10_000;

export function limitFilter(clock: Clock, telemetry: Telemetry): Filter {
  const buckets = new Map<string, Bucket>();
  const limited = telemetry.metrics.counter('mcpgw_rate_limited_total', 'Calls refused for coming too fast');
  return (next) => async (call) => {
    const key = `${call.principal.tenantId}/${call.principal.name}`;
    const policy = { ratePerSecond: call.profile.rateLimit, burst: call.profile.rateBurst };
    const nowMs = clock.nowMs();
    const taken = takeToken(buckets.get(key) ?? fullBucket(policy, nowMs), nowMs, policy);
    buckets.delete(key);
    buckets.set(key, taken.bucket);
    if (buckets.size > bucketsMax) {
      const oldest = buckets.keys().next();
      if (oldest.done !== true) buckets.delete(oldest.value);
    }
    if (taken.retryAfterMs === 0) return next(call);
    limited.add(1, { client_id: call.principal.name, route: call.message.method });
    if (call.profile.enforcementMode === 'audit') return next(call);
    return { fault: 'rate_limited', retryAfterMs: taken.retryAfterMs };
  };
}
