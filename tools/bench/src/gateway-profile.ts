/** Profiles the gateway under two loads: the small call, where every step counts, and the large result, where every copy does. */

import type { Profile } from './inside.ts';
import { loads, type Plan } from './loads.ts';
import { give } from './measure.ts';
import type { Target } from './orders.ts';
import { ask, type Running } from './processes.ts';
import { busiest, profileText, type Times } from './profile.ts';

export interface Profiled {
  readonly load: string;
  readonly times: Times;
}

const functionsMax = 25;

export async function profiledLoads(
  loader: Running,
  gateway: Running,
  target: Target,
  plan: Plan,
  say: (line: string) => void,
): Promise<readonly Profiled[]> {
  const found: Profiled[] = [];
  for (const load of [loads.small, loads.large, loads.legacy, loads.events]) {
    await give(loader, { kind: 'run', target, load, ms: plan.warmUpMs });
    await ask<object>(gateway, { ask: 'profile' });
    await give(loader, { kind: 'run', target, load, ms: plan.sliceMs * plan.rounds });
    const profile = await ask<Profile>(gateway, { ask: 'profiled' });
    const times = busiest(profile, functionsMax);
    found.push({ load: load.name, times });
    say(profileText(load.name, times));
  }
  return found;
}
