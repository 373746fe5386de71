/** Holds every principal to its profile's rate: at once in this replica, and a moment later across all of them. */

import { fullBucket, takeToken, type Bucket, type BucketPolicy, type Fault } from '@cruvero/core';
import type { Clock, Counter, Telemetry } from '@cruvero/ports';
import type { Filter, Permitted } from '../pipeline.ts';
import { methodLabel } from './measure.ts';

/** Callers remembered; the one unseen longest goes first, and comes back with a full bucket. */
const callersMax = 10_000;
const windowMs = 1_000;

/** A fault for a call that comes too fast; each call that is asked about costs one token. */
export type RateLimit = (call: Pick<Permitted, 'principal' | 'profile' | 'message'>) => Fault | undefined;

export function rateLimit(clock: Clock, telemetry: Telemetry, counter?: Counter): RateLimit {
  const buckets = new Recent<Bucket>();
  const shared = counter && new SharedWindow(clock, counter);
  const limited = telemetry.metrics.counter('mcpgw_rate_limited_total', 'Calls refused for coming too fast');
  return (call) => {
    const key = `${call.principal.tenantId}/${call.principal.name}`;
    const policy = { ratePerSecond: call.profile.rateLimit, burst: call.profile.rateBurst };
    const nowMs = clock.monotonicMs();
    const taken = takeToken(buckets.get(key) ?? fullBucket(policy, nowMs), nowMs, policy);
    buckets.set(key, taken.bucket);
    const retryAfterMs = Math.max(taken.retryAfterMs, shared?.retryAfterMs(key, policy, nowMs) ?? 0);
    if (retryAfterMs === 0) return undefined;
    limited.add(1, { client_id: call.principal.name, route: methodLabel(call.message.method) });
    return call.profile.enforcementMode === 'audit' ? undefined : { fault: 'rate_limited', retryAfterMs };
  };
}

export function limitFilter(limit: RateLimit): Filter {
  return (next) => async (call) => limit(call) ?? next(call);
}

/**
 * Counts with the other replicas without making a call wait for the count: what is over the rate is seen when the count comes
 * back, and the caller is then held until the window ends. While the counter is away only the bucket counts.
 */
class SharedWindow {
  readonly #clock: Clock;
  readonly #counter: Counter;
  readonly #heldUntilMs = new Recent<number>();

  constructor(clock: Clock, counter: Counter) {
    this.#clock = clock;
    this.#counter = counter;
  }

  retryAfterMs(key: string, policy: BucketPolicy, nowMs: number): number {
    const heldMs = (this.#heldUntilMs.get(key) ?? 0) - nowMs;
    if (heldMs > 0) return heldMs;
    void this.#count(key, policy, nowMs);
    return 0;
  }

  async #count(key: string, policy: BucketPolicy, nowMs: number): Promise<void> {
    // The window is the same for all replicas; how long it still lasts is a duration.
    const wallMs = this.#clock.nowMs();
    const endsMs = nowMs + windowMs - (wallMs % windowMs);
    const count = await this.#counter.add(`limit/${key}`, windowMs, wallMs);
    const allowed = policy.ratePerSecond + policy.burst;
    if (count !== undefined && count > allowed) this.#heldUntilMs.set(key, endsMs);
  }
}

/** A map that forgets what was not set for longest. */
class Recent<T> {
  readonly #values = new Map<string, T>();

  get(key: string): T | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: T): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= callersMax) return;
    const oldest = this.#values.keys().next();
    if (oldest.done !== true) this.#values.delete(oldest.value);
  }
}
