/** How long an instance may be silent: heartbeats promised every so often, and what their absence means. */

/**
 * Where an instance stands in its life. `pending`: no sign of life yet. `stale`: it promised heartbeats and they stopped.
 * `expired`: they stopped so long ago that it counts as gone.
 */
export type LifeStatus = 'pending' | 'active' | 'stale' | 'expired';
export const lifeStatuses: readonly LifeStatus[] = ['pending', 'active', 'stale', 'expired'];

/** Silence in milliseconds at which an instance counts as stale, and as expired; the first is below the second. */
export interface SilenceBounds {
  readonly staleAfterMs: number;
  readonly expiredAfterMs: number;
}

/** A threshold given in beats: three missed make an instance stale, three times that long make it expired. */
const beatsUntilStale = 3;
const staleUntilExpired = 3;
/** One lost or late heartbeat must never make a live instance stale, whatever the configured threshold says. */
const beatsAtLeast = 2;

/**
 * The bounds for an instance that promised a heartbeat every `intervalMs` (above 0). `thresholdMs` is the configured
 * threshold; undefined means three intervals.
 */
export function silenceBounds(intervalMs: number, thresholdMs: number | undefined): SilenceBounds {
  const wantedMs = thresholdMs ?? beatsUntilStale * intervalMs;
  const staleAfterMs = Math.max(wantedMs, beatsAtLeast * intervalMs);
  return { staleAfterMs, expiredAfterMs: staleUntilExpired * staleAfterMs };
}

/** The status of an instance that was last heard `silentMs` ago. A bound is reached when the silence is longer than it. */
export function statusAfter(silentMs: number, bounds: SilenceBounds): Exclude<LifeStatus, 'pending'> {
  if (silentMs > bounds.expiredAfterMs) return 'expired';
  return silentMs > bounds.staleAfterMs ? 'stale' : 'active';
}
