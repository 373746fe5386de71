/** Picks the instance for one attempt: health first, then what the breaker admits, then the strategy. */

import type { BalanceStrategy, Instance } from '../model/snapshot.ts';

export interface BalanceFacts {
  /** Calls under way at the instance. */
  readonly inFlight: (instance: Instance) => number;
  /** False while its breaker is shut. */
  readonly admits: (instance: Instance) => boolean;
  /** Instances that this call tried already. */
  readonly tried: ReadonlySet<string>;
  /** Grows by one with each call to this server that may go to any instance. */
  readonly turn: number;
  /** What sticks a caller to an instance: the principal for `ip_hash`, the cache key for `consistent_hash`. */
  readonly affinity: string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export type Pick =
  { readonly instance: Instance } | { readonly none: 'no_instances' | 'all_shut' | 'all_tried' };

/**
 * Untried instances come before tried ones, healthy before degraded before the rest; a stale instance is used when there is
 * no better one, an expired one never.
 */
export function pickInstance(
  instances: readonly Instance[],
  strategy: BalanceStrategy,
  facts: BalanceFacts,
): Pick {
  const alive = instances.filter((i) => i.health !== 'expired');
  if (alive.length === 0) return { none: 'no_instances' };
  const admitted = alive.filter((i) => facts.admits(i));
  if (admitted.length === 0) return { none: 'all_shut' };
  const untried = admitted.filter((i) => !facts.tried.has(i.instanceId));
  if (untried.length === 0) return { none: 'all_tried' };
  const best = bestHealth(untried);
  const instance = best.length === 1 ? best[0] : byStrategy(best, strategy, facts);
  return instance ? { instance } : { none: 'no_instances' };
}

const healthRank = { healthy: 0, unknown: 0, degraded: 1, stale: 2, unhealthy: 3, expired: 4 } as const;

function bestHealth(instances: readonly Instance[]): readonly Instance[] {
  let best = 4;
  for (const i of instances) best = Math.min(best, healthRank[i.health]);
  return instances.filter((i) => healthRank[i.health] === best);
}

function byStrategy(
  ready: readonly Instance[],
  strategy: BalanceStrategy,
  facts: BalanceFacts,
): Instance | undefined {
  switch (strategy) {
    case 'round_robin':
      return ready[facts.turn % ready.length];
    case 'random':
      return ready[Math.floor(facts.random() * ready.length)];
    case 'least_connections':
      return leastBusy(ready, facts);
    case 'weighted':
      return byWeight(ready, facts.random());
    case 'ip_hash':
    case 'consistent_hash':
      return rendezvous(ready, facts.affinity);
  }
}

function leastBusy(ready: readonly Instance[], facts: BalanceFacts): Instance | undefined {
  let best: Instance | undefined;
  for (let i = 0; i < ready.length; i += 1) {
    const candidate = ready[(facts.turn + i) % ready.length];
    if (candidate && (!best || facts.inFlight(candidate) < facts.inFlight(best))) best = candidate;
  }
  return best;
}

function byWeight(ready: readonly Instance[], random: number): Instance | undefined {
  const total = ready.reduce((sum, i) => sum + i.weight, 0);
  let at = random * total;
  for (const i of ready) {
    at -= i.weight;
    if (at < 0) return i;
  }
  return ready[ready.length - 1];
}

/** Highest random weight: when an instance leaves, only its own callers move. */
function rendezvous(ready: readonly Instance[], affinity: string): Instance | undefined {
  let best: Instance | undefined;
  let bestScore = -1;
  for (const i of ready) {
    const score = hash32(`${affinity}\n${i.instanceId}`);
    if (score > bestScore) [best, bestScore] = [i, score];
  }
  return best;
}

/** FNV-1a with a final mix; spreads, protects nothing. */
export function hash32(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
