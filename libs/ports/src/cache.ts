/** Values that may be lost at any time. */

export interface Cache {
  /** Undefined for a miss, and for a cache that is away: a cache never makes a call fail. */
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
