/** Picks an instance for the attempt, keeps its breaker, and counts what is under way. */

import {
  admits,
  admitting,
  isFault,
  pickInstance,
  stepBreaker,
  type Breaker,
  type BreakerPolicy,
  type Fault,
  type Instance,
  type Reply,
  type Server,
  type ServerName,
} from '@cruvero/core';
import type { Clock, Random, Telemetry } from '@cruvero/ports';
import type { Forward, Next, Routed } from '../pipeline.ts';
import type { Tried } from './retry.ts';

interface InstanceState {
  breaker: Breaker;
  inFlight: number;
}

export interface BalanceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly tried: Tried;
  /** Told when a breaker shuts or opens the way again. */
  readonly onHealth: (server: Server, instance: Instance, admitted: boolean) => void;
}

export interface Balancer {
  readonly next: Next;
  /** Forgets instances that the snapshot no longer has. */
  keepOnly(instanceIds: ReadonlySet<string>): void;
  /** Calls under way, all instances together. */
  inFlight(): number;
}

export function balancer(policy: BreakerPolicy, forward: Forward, parts: BalanceParts): Balancer {
  const { clock, random, tried } = parts;
  const states = new Map<string, InstanceState>();
  const turns = new Map<string, number>();
  const stateOf = (instance: Instance): InstanceState => {
    const key = stateKey(instance);
    let state = states.get(key);
    if (!state) states.set(key, (state = { breaker: admitting, inFlight: 0 }));
    return state;
  };
  parts.telemetry.metrics.gauge('mcpgw_circuit_breaker_state', '0 admitting, 1 shut, 2 probing', () =>
    [...states].map(([backend, s]) => ({ value: breakerNumber[s.breaker.at], labels: { backend, state: s.breaker.at } })),
  );

  const step = (call: Routed, instance: Instance, event: Parameters<typeof stepBreaker>[1]): void => {
    const state = stateOf(instance);
    const was = state.breaker;
    const is = stepBreaker(was, event, clock.nowMs(), policy);
    state.breaker = is;
    if (was.at === 'admitting' && is.at === 'shut') parts.onHealth(call.server, instance, false);
    if (was.at === 'probing' && is.at === 'admitting') parts.onHealth(call.server, instance, true);
  };

  const attempt = async (call: Routed, instance: Instance): Promise<Reply | Fault> => {
    const state = stateOf(instance);
    step(call, instance, 'asked');
    state.inFlight += 1;
    try {
      const outcome = await forward(call, instance);
      step(call, instance, isFault(outcome) ? breakerEvent(outcome) : 'succeeded');
      return outcome;
    } finally {
      state.inFlight -= 1;
    }
  };

  const next: Next = (call) => {
    const turn = turns.get(call.server.name) ?? 0;
    turns.set(call.server.name, (turn + 1) % 1_000_000_007);
    const seen = tried.get(call.abort) ?? new Set<string>();
    const nowMs = clock.nowMs();
    const picked = pickInstance(call.server.instances, call.server.strategy, {
      inFlight: (i) => states.get(stateKey(i))?.inFlight ?? 0,
      admits: (i) => admits(states.get(stateKey(i))?.breaker ?? admitting, nowMs),
      tried: seen,
      turn,
      affinity: `${call.principal.tenantId}/${call.principal.name}`,
      random,
    });
    if ('none' in picked) return Promise.resolve(noInstance(call.server.name, picked.none));
    tried.set(call.abort, seen.add(picked.instance.instanceId));
    return attempt(call, picked.instance);
  };

  return {
    next,
    keepOnly: (instanceIds) => {
      for (const [id, state] of states) if (!instanceIds.has(id) && state.inFlight === 0) states.delete(id);
    },
    inFlight: () => [...states.values()].reduce((sum, s) => sum + s.inFlight, 0),
  };
}

/** An instance that came back under its old id at a new address starts with a clean breaker. */
export function stateKey(instance: Pick<Instance, 'instanceId' | 'endpoint'>): string {
  return `${instance.instanceId}@${instance.endpoint}`;
}

const breakerNumber = { admitting: 0, shut: 1, probing: 2 } as const;

const noInstanceDetail = {
  no_instances: 'it has no running instance',
  all_shut: 'every instance failed repeatedly and is given a pause',
  all_tried: 'every instance was tried',
} as const;

function noInstance(server: ServerName, why: keyof typeof noInstanceDetail): Fault {
  return { fault: 'upstream_unavailable', server, detail: noInstanceDetail[why], neverLeft: true };
}

/** A caller that went away says nothing about the server. */
function breakerEvent(fault: Fault): 'failed' | 'abandoned' | 'succeeded' {
  switch (fault.fault) {
    case 'upstream_unavailable':
    case 'upstream_timeout':
    case 'upstream_broken':
      return 'failed';
    case 'upstream_too_large':
      return 'succeeded';
    default:
      return 'abandoned';
  }
}
