/** Measures one load against several targets in interleaved rounds. */

import { rotated, type Round } from './figures.ts';
import type { Plan } from './loads.ts';
import type { Load, Order, Outcome, Sample, Target } from './orders.ts';
import { ask, cpuMs, type Running } from './processes.ts';

/** A target and the process whose processor time it costs. */
export interface Subject {
  readonly target: Target;
  readonly pid: number;
}

/** @throws when the load generator could not do it. */
export async function give(loader: Running, order: Order): Promise<Sample> {
  const outcome = await ask<Outcome>(loader, order);
  if ('failed' in outcome) throw new Error(`the load generator failed: ${outcome.failed}`);
  return outcome;
}

/** Rounds by target name. */
export async function measure(
  loader: Running,
  subjects: readonly Subject[],
  load: Load,
  plan: Pick<Plan, 'rounds' | 'sliceMs' | 'warmUpMs'>,
): Promise<ReadonlyMap<string, readonly Round[]>> {
  const rounds = new Map<string, Round[]>(subjects.map(({ target }) => [target.name, []]));
  for (const { target } of subjects) await give(loader, { kind: 'run', target, load, ms: plan.warmUpMs });
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const { target, pid } of rotated(subjects, round)) {
      const before = cpuMs(pid);
      const sample = await give(loader, { kind: 'run', target, load, ms: plan.sliceMs });
      const after = cpuMs(pid);
      const cost = before === undefined || after === undefined ? undefined : after - before;
      rounds.get(target.name)?.push({ sample, cpuMs: cost });
    }
  }
  return rounds;
}
