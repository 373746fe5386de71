/** When a child is started again, as a pure machine: quick deaths wait longer and longer, too many of them longest. */

export type Supervision =
  /** Spawned; not yet known to answer. */
  | { readonly at: 'starting'; readonly startedMs: number; readonly quickDeaths: number }
  | { readonly at: 'running'; readonly startedMs: number; readonly quickDeaths: number }
  | {
      readonly at: 'backing_off';
      readonly untilMs: number;
      readonly quickDeaths: number;
      readonly reason: string;
    }
  /** Died quickly so often that something is wrong with it; still tried, slowly, since somebody may mend it. */
  | { readonly at: 'failed'; readonly untilMs: number; readonly quickDeaths: number; readonly reason: string }
  | { readonly at: 'stopped' };

export type SupervisionEvent =
  | { readonly event: 'discovered' }
  | { readonly event: 'died'; readonly reason: string }
  /** `untilMs` has come. */
  | { readonly event: 'due' }
  | { readonly event: 'stop' };

export interface SupervisionPolicy {
  /** A life shorter than this, or without an answer, is a quick death; a longer one makes good for those before. */
  readonly quickMs: number;
  readonly quickDeathsMax: number;
  /** Wait after the first death; doubled with each quick one. */
  readonly firstWaitMs: number;
  readonly waitMsMax: number;
  /** Wait between tries once it has failed. */
  readonly failedWaitMs: number;
}

export const defaultSupervision: SupervisionPolicy = {
  quickMs: 30_000,
  quickDeathsMax: 6,
  firstWaitMs: 200,
  waitMsMax: 15_000,
  failedWaitMs: 60_000,
};

export function startSupervision(nowMs: number): Supervision {
  return { at: 'starting', startedMs: nowMs, quickDeaths: 0 };
}

/** Entering `starting` means: spawn. Events that do not fit the state change nothing. `random` is in [0, 1). */
export function stepSupervision(
  state: Supervision,
  event: SupervisionEvent,
  nowMs: number,
  random: number,
  policy: SupervisionPolicy,
): Supervision {
  if (event.event === 'stop') return { at: 'stopped' };
  switch (state.at) {
    case 'starting':
      if (event.event === 'discovered') return { ...state, at: 'running' };
      // However long it took: who never answered makes good for nothing.
      return event.event === 'died'
        ? afterDeath({ ...state, startedMs: nowMs }, event.reason, nowMs, random, policy)
        : state;
    case 'running':
      return event.event === 'died' ? afterDeath(state, event.reason, nowMs, random, policy) : state;
    case 'backing_off':
    case 'failed': {
      if (event.event !== 'due' || nowMs < state.untilMs) return state;
      return { at: 'starting', startedMs: nowMs, quickDeaths: state.quickDeaths };
    }
    case 'stopped':
      return state;
  }
}

function afterDeath(
  lived: { readonly startedMs: number; readonly quickDeaths: number },
  reason: string,
  nowMs: number,
  random: number,
  policy: SupervisionPolicy,
): Supervision {
  const wasQuick = nowMs - lived.startedMs < policy.quickMs;
  const quickDeaths = wasQuick ? lived.quickDeaths + 1 : 1;
  if (quickDeaths >= policy.quickDeathsMax) {
    return { at: 'failed', untilMs: nowMs + jittered(policy.failedWaitMs, random), quickDeaths, reason };
  }
  const waitMs = Math.min(policy.waitMsMax, policy.firstWaitMs * 2 ** (quickDeaths - 1));
  return { at: 'backing_off', untilMs: nowMs + jittered(waitMs, random), quickDeaths, reason };
}

/** Half to whole: children that died together do not come back together. */
function jittered(waitMs: number, random: number): number {
  return Math.ceil(waitMs * (0.5 + random / 2));
}
