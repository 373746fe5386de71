/** The part of opossum that is used here. */

import type { EventEmitter } from 'node:events';

export interface CircuitBreakerOptions {
  /** False: the action bounds itself. */
  readonly timeout: number | false;
  readonly errorThresholdPercentage: number;
  /** Calls in the rolling window before it may open. */
  readonly volumeThreshold: number;
  /** Milliseconds open before one call may try. */
  readonly resetTimeout: number;
  readonly rollingCountTimeout: number;
  readonly rollingCountBuckets: number;
  readonly rollingPercentilesEnabled: boolean;
  readonly enableSnapshots: boolean;
  /** True for what is a failure, and no reason to open. */
  readonly errorFilter: (error: unknown) => boolean;
  readonly name: string;
}

/** Emits `open`, `halfOpen` and `close`. */
export class CircuitBreaker<A extends readonly unknown[], R> extends EventEmitter {
  constructor(action: (...args: A) => Promise<R>, options: CircuitBreakerOptions);
  /** Rejects with the action's error, or at once while open. */
  fire(...args: A): Promise<R>;
  close(): void;
  shutdown(): void;
}
