/** Tries again what may be tried again, within the call's deadline. */

import { decideRetry, isFault, type Fault, type RetryPolicy, type Server } from '@cruvero/core';
import type { Clock, Random, Telemetry } from '@cruvero/ports';
import type { Filter, Routed } from '../pipeline.ts';

/** Instances that this call tried, by the call itself; the balancer reads it. */
export type Tried = WeakMap<object, Set<string>>;

export interface RetryParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  /** Set for one call, shared with the balancer. */
  readonly tried: Tried;
  /** False for a server that configuration no longer has, though a call that began before still does. */
  readonly isConfigured: (server: Server) => boolean;
}

export function retryFilter(policy: RetryPolicy, parts: RetryParts): Filter {
  const { clock, random, tried } = parts;
  const triedCount = (call: Routed): number => tried.get(call.abort)?.size ?? 0;
  const retries = parts.telemetry.metrics.counter('mcpgw_retries_total', 'Attempts made besides the first');
  return (next) => async (call) => {
    let cause: Fault | undefined;
    for (let made = 1; ; made += 1) {
      const triedBefore = triedCount(call);
      const outcome = await next(call);
      if (!isFault(outcome)) return outcome;
      // Where no instance was left to ask, what the last one said is the cause, and only time can help.
      const asked = triedCount(call) > triedBefore;
      if (asked || cause === undefined) cause = outcome;
      const verdict = decideRetry(
        {
          made,
          fault: outcome,
          idempotent: call.idempotent,
          elsewhere: asked && triedCount(call) < call.server.instances.length,
          leftMs: call.deadline.leftMs(),
        },
        policy,
        random,
      );
      if ('stop' in verdict || call.abort.signal.aborted) return cause;
      retries.add(1, { backend: call.server.name });
      if (verdict.retryInMs > 0) {
        tried.delete(call.abort);
        await pauseFor(verdict.retryInMs, call.abort.signal, clock);
        // It was taken away meanwhile: nothing can come back that this call waits for.
        if (!parts.isConfigured(call.server)) return cause;
      }
    }
  };
}

/** Ends early when the signal says so. */
export function pauseFor(delayMs: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal.addEventListener('abort', done);
  });
}
