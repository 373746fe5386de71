/** What a row of probes says: it takes several failures to fall and several successes to rise, so that one never flaps. */

export type ProbeHealth = 'unknown' | 'healthy' | 'degraded' | 'unhealthy';

export interface ProbeState {
  readonly health: ProbeHealth;
  /** In a row, up to now. One of the two is 0. */
  readonly failures: number;
  readonly successes: number;
  /** Of the last failure; undefined before the first, and again once healthy. */
  readonly detail: string | undefined;
}

export interface ProbePolicy {
  /** Failures in a row that make an instance unhealthy; at least 1. */
  readonly failuresMax: number;
  /** Successes in a row that make it healthy again; at least 1. */
  readonly successesMin: number;
}

export const defaultProbePolicy: ProbePolicy = { failuresMax: 3, successesMin: 2 };

export const neverProbed: ProbeState = { health: 'unknown', failures: 0, successes: 0, detail: undefined };

/** Enough for a person to see what failed; a server's whole error page belongs nowhere. */
const detailMax = 300;

/** `failed` with the reason, or undefined for an answer. */
export type ProbeOutcome = { readonly failed: string } | undefined;

/**
 * One probe further. An instance that was never probed is believed at its first answer; one that failed must answer
 * `successesMin` times before it is healthy again, and is degraded meanwhile.
 */
export function stepProbe(state: ProbeState, outcome: ProbeOutcome, policy: ProbePolicy): ProbeState {
  if (outcome) {
    const failures = state.failures + 1;
    const down = failures >= policy.failuresMax || state.health === 'unhealthy';
    return {
      health: down ? 'unhealthy' : 'degraded',
      failures,
      successes: 0,
      detail: outcome.failed.slice(0, detailMax),
    };
  }
  const successes = state.successes + 1;
  const neverFailed = state.health === 'unknown' || state.health === 'healthy';
  return neverFailed || successes >= policy.successesMin
    ? { health: 'healthy', failures: 0, successes, detail: undefined }
    : { health: 'degraded', failures: 0, successes, detail: state.detail };
}
