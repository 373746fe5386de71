/** Picks an instance for the attempt, keeps its breaker, and counts what is under way. */

import {
  admits,
  admitting,
  isFault,
  pickInstance,
  serverKey,
  stepBreaker,
  type Breaker,
  type BreakerPolicy,
  type Fault,
  type Instance,
  type Reply,
  type Server,
  type ServerKey,
  type ServerName,
} from '@cruvero/core';
import type { Clock, Random, Telemetry } from '@cruvero/ports';
import type { Forward, Next, Routed } from '../pipeline.ts';
import type { Tried } from './retry.ts';

interface InstanceState {
  /** For metrics; without the address, which may hold a secret. */
  readonly label: string;
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
  keepOnly(servers: Iterable<Server>): void;
  /** Calls under way, all instances together. */
  inFlight(): number;
}

export function balancer(policy: BreakerPolicy, forward: Forward, parts: BalanceParts): Balancer {
  const { clock, random, tried } = parts;
  const states = new Map<string, InstanceState>();
  const turns = new Map<ServerKey, number>();
  const stateOf = (server: Server, instance: Instance): InstanceState => {
    const key = stateKey(server, instance);
    let state = states.get(key);
    const label = `${server.tenantId}/${server.name}/${instance.instanceId}`;
    if (!state) states.set(key, (state = { label, breaker: admitting, inFlight: 0 }));
    return state;
  };
  parts.telemetry.metrics.gauge('mcpgw_circuit_breaker_state', '0 admitting, 1 shut, 2 probing', () =>
    [...states.values()].map((s) => ({
      value: breakerNumber[s.breaker.at],
      labels: { backend: s.label, state: s.breaker.at },
    })),
  );

  const step = (call: Routed, instance: Instance, event: Parameters<typeof stepBreaker>[1]): void => {
    const state = stateOf(call.server, instance);
    const was = state.breaker;
    const is = stepBreaker(was, event, clock.nowMs(), policy);
    state.breaker = is;
    if (was.at === 'admitting' && is.at === 'shut') parts.onHealth(call.server, instance, false);
    if (was.at === 'probing' && is.at === 'admitting') parts.onHealth(call.server, instance, true);
  };

  const attempt = async (call: Routed, instance: Instance): Promise<Reply | Fault> => {
    const state = stateOf(call.server, instance);
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
    const key = serverKey(call.server.tenantId, call.server.name);
    const turn = turns.get(key) ?? 0;
    turns.set(key, (turn + 1) % 1_000_000_007);
    const seen = tried.get(call.abort) ?? new Set<string>();
    const nowMs = clock.nowMs();
    const picked = pickInstance(call.server.instances, call.server.strategy, {
      inFlight: (i) => states.get(stateKey(call.server, i))?.inFlight ?? 0,
      admits: (i) => admits(states.get(stateKey(call.server, i))?.breaker ?? admitting, nowMs),
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
    keepOnly: (servers) => {
      const wanted = new Set<string>();
      const names = new Set<ServerKey>();
      for (const server of servers) {
        names.add(serverKey(server.tenantId, server.name));
        for (const instance of server.instances) wanted.add(stateKey(server, instance));
      }
      for (const [key, state] of states) if (!wanted.has(key) && state.inFlight === 0) states.delete(key);
      for (const key of turns.keys()) if (!names.has(key)) turns.delete(key);
    },
    inFlight: () => [...states.values()].reduce((sum, s) => sum + s.inFlight, 0),
  };
}

/** An instance that came back under its old id at a new address starts anew; nothing is shared between servers or tenants. */
export function stateKey(
  server: Pick<Server, 'tenantId' | 'name'>,
  instance: Pick<Instance, 'instanceId' | 'transport' | 'endpoint'>,
): string {
  return `${server.tenantId}/${server.name}/${instance.instanceId} ${instance.transport} ${instance.endpoint}`;
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
