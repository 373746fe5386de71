/** From every sign of life of one instance to one verdict: status, health, a reason for a person, and the age. */

import type { HealthStatus } from '../model/server.ts';
import { neverProbed, stepProbe, type ProbeOutcome, type ProbePolicy, type ProbeState } from './probing.ts';
import { silenceBounds, statusAfter, type LifeStatus, type SilenceBounds } from './staleness.ts';

export interface HealthPolicy {
  readonly probes: ProbePolicy;
  /** Silence that makes an instance stale; undefined: three of its own heartbeat intervals. */
  readonly staleThresholdMs: number | undefined;
  /** What is expected of an instance that sends heartbeats but never said how often. */
  readonly assumedIntervalMs: number;
}

/** What an instance says of itself in a heartbeat. */
export type BeatStatus = 'ok' | 'degraded' | 'draining';

/** Everything known about one instance. Times are milliseconds of a clock that never runs backwards. */
export interface InstanceWatch {
  readonly knownSinceMs: number;
  /** How often it promised a heartbeat; undefined where it promised none: then only probes judge it. */
  readonly intervalMs: number | undefined;
  /** From when its silence counts: its last heartbeat or announcement, or when this side began to listen. */
  readonly heardMs: number;
  /** It gave a sign of life itself, or answered a probe, since this side began to listen. */
  readonly seenAlive: boolean;
  readonly beat: BeatStatus | undefined;
  readonly probe: ProbeState;
  readonly answeredMs: number | undefined;
}

export type Evidence =
  /** It stands in the registry's list; no sign of life by itself. */
  | { readonly kind: 'listed'; readonly intervalMs: number | undefined }
  | { readonly kind: 'announced'; readonly intervalMs: number | undefined }
  | { readonly kind: 'heartbeat'; readonly status: BeatStatus }
  | { readonly kind: 'probed'; readonly outcome: ProbeOutcome }
  /** This side could not hear anything since then, so the silence proves nothing. */
  | { readonly kind: 'resumed'; readonly deafSinceMs: number };

/** `ageMs` is since the last sign of life, or since the instance is known where there was none. */
export interface Verdict {
  readonly status: LifeStatus;
  readonly health: HealthStatus;
  readonly reason: string;
  readonly ageMs: number;
}

/** An instance of which this side hears for the first time. */
export function beginWatch(nowMs: number): InstanceWatch {
  return {
    knownSinceMs: nowMs,
    intervalMs: undefined,
    heardMs: nowMs,
    seenAlive: false,
    beat: undefined,
    probe: neverProbed,
    answeredMs: undefined,
  };
}

/** One piece of evidence further. */
export function stepWatch(
  watch: InstanceWatch,
  evidence: Evidence,
  nowMs: number,
  policy: HealthPolicy,
): InstanceWatch {
  switch (evidence.kind) {
    case 'listed':
      return withInterval(watch, evidence.intervalMs, nowMs);
    case 'announced':
      return {
        ...withInterval(watch, evidence.intervalMs, nowMs),
        heardMs: nowMs,
        seenAlive: true,
        beat: 'ok',
      };
    case 'heartbeat': {
      const intervalMs = watch.intervalMs ?? policy.assumedIntervalMs;
      return { ...watch, intervalMs, heardMs: nowMs, seenAlive: true, beat: evidence.status };
    }
    case 'probed': {
      const probe = stepProbe(watch.probe, evidence.outcome, policy.probes);
      return evidence.outcome ? { ...watch, probe } : { ...watch, probe, seenAlive: true, answeredMs: nowMs };
    }
    case 'resumed':
      return { ...watch, heardMs: heardAfterDeafness(watch, evidence.deafSinceMs, nowMs, policy) };
  }
}

/** Who was active gets its full time anew; who was silent already is charged for the silence before only. */
function heardAfterDeafness(
  watch: InstanceWatch,
  deafSinceMs: number,
  nowMs: number,
  policy: HealthPolicy,
): number {
  const was = silenceOf(watch, deafSinceMs, policy).status;
  return was === 'active' ? nowMs : Math.min(nowMs, watch.heardMs + (nowMs - deafSinceMs));
}

/** A promise made only now counts from now: the silence before it was not promised otherwise. */
function withInterval(watch: InstanceWatch, intervalMs: number | undefined, nowMs: number): InstanceWatch {
  if (intervalMs === undefined || intervalMs === watch.intervalMs) return watch;
  return { ...watch, intervalMs, heardMs: watch.intervalMs === undefined ? nowMs : watch.heardMs };
}

interface Silence {
  readonly status: Exclude<LifeStatus, 'pending'>;
  readonly bounds: SilenceBounds | undefined;
}

function silenceOf(watch: InstanceWatch, nowMs: number, policy: HealthPolicy): Silence {
  if (watch.intervalMs === undefined) return { status: 'active', bounds: undefined };
  const bounds = silenceBounds(watch.intervalMs, policy.staleThresholdMs);
  return { status: statusAfter(nowMs - watch.heardMs, bounds), bounds };
}

/**
 * The verdict at this moment. Silence weighs most: whoever promised heartbeats and stopped is stale even while it answers
 * probes, since its announcer is gone. Otherwise probes decide, and where there are none, its own words.
 */
export function judge(watch: InstanceWatch, nowMs: number, policy: HealthPolicy): Verdict {
  const ageMs = Math.max(0, nowMs - lastSignMs(watch));
  const { status, bounds } = silenceOf(watch, nowMs, policy);
  if (bounds && status !== 'active') {
    const boundMs = status === 'stale' ? bounds.staleAfterMs : bounds.expiredAfterMs;
    const reason = `No heartbeat for ${seconds(nowMs - watch.heardMs)}; ${status} after ${seconds(boundMs)}.`;
    return { status, health: status, reason, ageMs };
  }
  return { status: watch.seenAlive ? 'active' : 'pending', ...present(watch), ageMs };
}

function lastSignMs(watch: InstanceWatch): number {
  if (watch.intervalMs !== undefined) return watch.heardMs;
  return watch.answeredMs ?? watch.knownSinceMs;
}

function present(watch: InstanceWatch): Pick<Verdict, 'health' | 'reason'> {
  const { probe, beat } = watch;
  const beats = watch.intervalMs === undefined || beat === undefined ? '' : ' though its heartbeats arrive';
  if (probe.health === 'unhealthy') {
    return {
      health: 'unhealthy',
      reason: `${probe.failures} probes in a row failed${beats}: ${probe.detail ?? ''}`,
    };
  }
  if (probe.health === 'degraded') return { health: 'degraded', reason: between(probe, beats) };
  if (beat === 'degraded' || beat === 'draining')
    return { health: 'degraded', reason: `It calls itself ${beat}.` };
  if (probe.health === 'healthy') return { health: 'healthy', reason: 'It answers its probes.' };
  if (beat === 'ok') {
    return {
      health: 'healthy',
      reason: watch.intervalMs === undefined ? 'It announced itself.' : 'Its heartbeats arrive.',
    };
  }
  return { health: 'unknown', reason: 'No sign of life yet.' };
}

function between(probe: ProbeState, beats: string): string {
  const last = probe.detail ?? '';
  if (probe.failures === 0)
    return `It answers again (${counted(probe.successes, 'probe')} so far); before: ${last}`;
  return `${counted(probe.failures, 'probe')} failed${beats}: ${last}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function seconds(ms: number): string {
  return `${ms < 10_000 ? Math.round(ms / 100) / 10 : Math.round(ms / 1_000)} s`;
}

/** Whether two verdicts say the same to whoever acts on them; the reason and the age may differ. */
export function sameVerdict(
  a: Pick<Verdict, 'status' | 'health'>,
  b: Pick<Verdict, 'status' | 'health'>,
): boolean {
  return a.status === b.status && a.health === b.health;
}
