/** Counts shared by replicas, in fixed windows. */

export interface Counter {
  /**
   * Adds one to the count of `key` in the window that holds `nowMs`; returns the count, or undefined while the counter is
   * away (the caller then decides by its own count).
   */
  add(key: string, windowMs: number, nowMs: number): Promise<number | undefined>;
  [Symbol.asyncDispose](): Promise<void>;
}
