/** Picks an instance for the attempt, keeps its breaker, and counts what is under way. */

import {
  admits,
  admitting,
  credentialKey,
  isFault,
  pickInstance,
  serverKey,
  stepBreaker,
  type Breaker,
  type BreakerEvent,
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
  return new InstanceBalancer(policy, forward, parts);
}

class InstanceBalancer implements Balancer {
  readonly #policy: BreakerPolicy;
  readonly #forward: Forward;
  readonly #parts: BalanceParts;
  readonly #states = new Map<string, InstanceState>();
  readonly #turns = new Map<ServerKey, number>();

  constructor(policy: BreakerPolicy, forward: Forward, parts: BalanceParts) {
    this.#policy = policy;
    this.#forward = forward;
    this.#parts = parts;
    parts.telemetry.metrics.gauge('mcpgw_circuit_breaker_state', '0 admitting, 1 shut, 2 probing', () =>
      [...this.#states.values()].map((s) => ({
        value: breakerNumber[s.breaker.at],
        labels: { backend: s.label, state: s.breaker.at },
      })),
    );
  }

  readonly next: Next = (call) => {
    const { clock, random, tried } = this.#parts;
    const seen = tried.get(call.abort) ?? new Set<string>();
    const nowMs = clock.monotonicMs();
    const known = (i: Instance): InstanceState | undefined => this.#states.get(stateKey(call.server, i));
    const admitted = (i: Instance): boolean => admits(known(i)?.breaker ?? admitting, nowMs);
    const instances = preferred(call, seen, admitted);
    const picked = pickInstance(instances, call.server.strategy, {
      inFlight: (i) => known(i)?.inFlight ?? 0,
      admits: admitted,
      tried: seen,
      turn: this.#turn(call.server, instances.length > 1 && seen.size === 0),
      affinity: `${call.principal.tenantId}/${call.principal.name}`,
      random,
    });
    if ('none' in picked) return Promise.resolve(noInstance(call.server.name, picked.none));
    tried.set(call.abort, seen.add(picked.instance.instanceId));
    return this.#attempt(call, picked.instance);
  };

  keepOnly(servers: Iterable<Server>): void {
    const wanted = new Set<string>();
    const names = new Set<ServerKey>();
    for (const server of servers) {
      names.add(serverKey(server.tenantId, server.name));
      for (const instance of server.instances) wanted.add(stateKey(server, instance));
    }
    for (const [key, state] of this.#states) {
      if (!wanted.has(key) && state.inFlight === 0) this.#states.delete(key);
    }
    for (const key of this.#turns.keys()) if (!names.has(key)) this.#turns.delete(key);
  }

  inFlight(): number {
    let count = 0;
    for (const state of this.#states.values()) count += state.inFlight;
    return count;
  }

  async #attempt(call: Routed, instance: Instance): Promise<Reply | Fault> {
    const state = this.#stateOf(call.server, instance);
    this.#step(state, call.server, instance, 'asked');
    state.inFlight += 1;
    try {
      const outcome = await this.#forward(call, instance);
      this.#step(state, call.server, instance, isFault(outcome) ? breakerEvent(outcome) : 'succeeded');
      return outcome;
    } finally {
      state.inFlight -= 1;
    }
  }

  #step(state: InstanceState, server: Server, instance: Instance, event: BreakerEvent): void {
    const was = state.breaker;
    const is = stepBreaker(was, event, this.#parts.clock.monotonicMs(), this.#policy);
    state.breaker = is;
    if (was.at === 'admitting' && is.at === 'shut') this.#parts.onHealth(server, instance, false);
    if (was.at === 'probing' && is.at === 'admitting') this.#parts.onHealth(server, instance, true);
  }

  #stateOf(server: Server, instance: Instance): InstanceState {
    const key = stateKey(server, instance);
    let state = this.#states.get(key);
    if (!state) {
      const label = `${server.tenantId}/${server.name}/${instance.instanceId}`;
      this.#states.set(key, (state = { label, breaker: admitting, inFlight: 0 }));
    }
    return state;
  }

  /** Only calls that may go anywhere go round: whatever comes between them would send them to the same few. */
  #turn({ tenantId, name }: Server, goesRound: boolean): number {
    const key = serverKey(tenantId, name);
    const turn = this.#turns.get(key) ?? 0;
    if (goesRound) this.#turns.set(key, (turn + 1) % 1_000_000_007);
    return turn;
  }
}

/** An instance that came back under its old id at a new address, or wants another credential, starts anew; nothing is shared between servers or tenants. */
export function stateKey(
  server: Pick<Server, 'tenantId' | 'name' | 'credential'>,
  instance: Pick<Instance, 'instanceId' | 'transport' | 'endpoint'>,
): string {
  const key = `${server.tenantId}/${server.name}/${instance.instanceId} ${instance.transport} ${instance.endpoint}`;
  return server.credential === undefined ? key : `${key} ${credentialKey(server.credential)}`;
}

const breakerNumber = { admitting: 0, shut: 1, probing: 2 } as const;

const noInstanceDetail = {
  no_instances: 'it has no running instance',
  all_shut: 'every instance failed repeatedly and is given a pause',
  all_tried: 'every instance was tried',
} as const;

/** Where the call's state, or its session, is; all instances where that one is not there any more, was tried, or is given a pause. */
function preferred(
  call: Routed,
  tried: ReadonlySet<string>,
  admitted: (instance: Instance) => boolean,
): readonly Instance[] {
  const { instances, name } = call.server;
  if (instances.length === 1) return instances;
  const wanted = call.pinnedTo ?? call.session?.workIfAny()?.instances.get(name);
  const own = wanted === undefined ? undefined : instances.find((i) => i.instanceId === wanted);
  const isThere = own && own.health !== 'expired' && !tried.has(own.instanceId) && admitted(own);
  return isThere ? [own] : instances;
}

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
