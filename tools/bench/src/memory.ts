/** What the gateway keeps: bytes of an idle session, and what clients that do not read do to those that do. */

import { setTimeout as sleep } from 'node:timers/promises';
import { median, percentile } from './figures.ts';
import type { Heap } from './inside.ts';
import { besideLoad, floodServer, type Plan } from './loads.ts';
import { give } from './measure.ts';
import type { Target } from './orders.ts';
import { ask, type Running } from './processes.ts';

const heapOf = (gateway: Running): Promise<Heap> => ask<Heap>(gateway, { ask: 'heap' });

export interface SessionsFound {
  readonly sessions: number;
  readonly heapBytesEach: number;
  readonly rssBytesEach: number;
  readonly perSecond: number;
  readonly errors: number;
  readonly problems: readonly string[];
}

/** The heap before and after, each after a full collection; nothing else happens in between. */
export async function idleSessions(
  loader: Running,
  gateway: Running,
  target: Target,
  count: number,
): Promise<SessionsFound> {
  // The first ones bring code and tables that no further one brings again.
  await give(loader, { kind: 'sessions', target, count: 500 });
  await sleep(500);
  const before = await heapOf(gateway);
  const opened = await give(loader, { kind: 'sessions', target, count });
  await sleep(500);
  const after = await heapOf(gateway);
  return {
    sessions: opened.tookMs.length,
    heapBytesEach: (after.usedBytes - before.usedBytes) / Math.max(1, opened.tookMs.length),
    rssBytesEach: (after.rssBytes - before.rssBytes) / Math.max(1, opened.tookMs.length),
    perSecond: opened.tookMs.length / opened.seconds,
    errors: opened.errors,
    problems: opened.problems,
  };
}

export interface SilentFound {
  readonly readers: number;
  /** How many of them the server had begun to answer. */
  readonly answered: number;
  /** Of the same load: without them, while they come and their answers flow in, and while they stand. */
  readonly p99Ms: { readonly alone: number; readonly arriving: number; readonly standing: number };
  /** Standing of alone; the middle one of the rounds. */
  readonly ratio: number;
  readonly errors: number;
  readonly problems: readonly string[];
  /** What the gateway held more, in its heap and in buffers, while they were there; after a full collection. */
  readonly heldBytes: number;
}

/**
 * 6 MiB: more than the kernel keeps between two processes of this machine. Only so many ask for that much, or the kernel's own
 * bound for all connections together would be what is measured.
 */
const largePieces = 96;
const largeMax = 50;
const smallPieces = 4;
const settleMsMax = 15_000;

interface Floods {
  readonly begun: number;
  readonly open: number;
  readonly bytes: number;
}

/** Waits until so many calls have begun and no byte of their streams moves any more; at most `settleMsMax`. */
async function settled(floodUrl: string, begun = 0): Promise<Floods> {
  const look = async (): Promise<Floods> => (await (await fetch(`${floodUrl}/floods`)).json()) as Floods;
  const untilMs = performance.now() + settleMsMax;
  let last = await look();
  for (let still = 0; still < 3 && performance.now() < untilMs;) {
    await sleep(150);
    const now = await look();
    still =
      now.begun >= begun && now.bytes === last.bytes && now.begun === last.begun && now.open === last.open
        ? still + 1
        : 0;
    last = now;
  }
  return last;
}

export interface SilentParts {
  readonly loader: Running;
  /** Holds the readers; a load generator of its own. */
  readonly holder: Running;
  readonly gateway: Running;
  readonly target: Target;
  readonly floodUrl: string;
}

/** One load again and again: alone, while clients come that ask for large event streams and never read, beside them, alone. */
export async function silentReaders(parts: SilentParts, plan: Plan): Promise<SilentFound> {
  const { loader, holder, gateway, target, floodUrl } = parts;
  const pieces = Array.from({ length: plan.silentReaders }, (_, index) =>
    index < largeMax ? largePieces : smallPieces,
  );
  const rounds = { alone: [] as number[], arriving: [] as number[], standing: [] as number[] };
  const ratios: number[] = [];
  const problems: string[] = [];
  let [errors, answered, begunBefore, heldBytes] = [0, 0, 0, 0];
  const p99 = async (): Promise<number> => {
    const sample = await give(loader, { kind: 'run', target, load: besideLoad, ms: plan.sliceMs * 4 });
    errors += sample.errors;
    problems.push(...sample.problems);
    return percentile(sample.tookMs.sort(), 0.99);
  };
  for (let round = 0; round < plan.silentRounds; round += 1) {
    const before = await heapOf(gateway);
    const first = await p99();
    const hold = { kind: 'hold', target, server: floodServer, pieces } as const;
    const [arriving] = await Promise.all([p99(), give(holder, hold)]);
    const floods = await settled(floodUrl, begunBefore + pieces.length);
    answered = Math.max(answered, floods.begun - begunBefore);
    begunBefore = floods.begun;
    const standing = await p99();
    heldBytes = Math.max(heldBytes, (await heapOf(gateway)).usedBytes - before.usedBytes);
    await give(holder, { kind: 'release' });
    await settled(floodUrl);
    const alone = (first + (await p99())) / 2;
    rounds.alone.push(alone);
    rounds.arriving.push(arriving);
    rounds.standing.push(standing);
    if (alone > 0) ratios.push(standing / alone);
  }
  return {
    readers: pieces.length,
    answered,
    p99Ms: {
      alone: median(rounds.alone),
      arriving: median(rounds.arriving),
      standing: median(rounds.standing),
    },
    ratio: median(ratios),
    errors,
    problems: problems.slice(0, 3),
    heldBytes,
  };
}
