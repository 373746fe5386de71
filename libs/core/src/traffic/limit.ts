/** A token bucket as a step: how many calls a principal may make at once and in the long run. */

export interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export interface BucketPolicy {
  /** Tokens a second; above 0. */
  readonly ratePerSecond: number;
  /** Tokens it holds when full; above 0. */
  readonly burst: number;
}

export function fullBucket(policy: BucketPolicy, nowMs: number): Bucket {
  return { tokens: policy.burst, atMs: nowMs };
}

/** Takes one token; `retryAfterMs` is 0 where it was had, otherwise the wait until there is one. */
export function takeToken(
  bucket: Bucket,
  nowMs: number,
  policy: BucketPolicy,
): { readonly bucket: Bucket; readonly retryAfterMs: number } {
  const passedMs = Math.max(0, nowMs - bucket.atMs);
  const tokens = Math.min(policy.burst, bucket.tokens + (passedMs * policy.ratePerSecond) / 1_000);
  if (tokens >= 1) return { bucket: { tokens: tokens - 1, atMs: nowMs }, retryAfterMs: 0 };
  const retryAfterMs = Math.max(1, Math.ceil(((1 - tokens) * 1_000) / policy.ratePerSecond));
  return { bucket: { tokens, atMs: nowMs }, retryAfterMs };
}
