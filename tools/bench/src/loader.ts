/** The load generator: a process of its own, so that it shares no event loop with what it measures. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Caller } from './caller.ts';
import type { Load, Order, Outcome, Sample, Target } from './orders.ts';
import { endWithParent } from './process-end.ts';
import { SilentReaders } from './silent-readers.ts';

const problemsMax = 3;
/** Connections opened at the same time. */
const openingMax = 32;

const silent = new SilentReaders();
/** No two calls of a run have the same id. */
let lastId = 0;

interface Tally {
  readonly tookMs: number[];
  readonly problems: string[];
  errors: number;
}

const emptyTally = (): Tally => ({ tookMs: [], problems: [], errors: 0 });

function sampleOf({ tookMs, errors, problems }: Tally, fromMs: number): Sample {
  return {
    seconds: (performance.now() - fromMs) / 1_000,
    tookMs: Float64Array.from(tookMs),
    errors,
    problems,
  };
}

function fail(tally: Tally, problem: string): void {
  tally.errors += 1;
  if (tally.problems.length < problemsMax) tally.problems.push(problem);
}

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Every caller is connected, has its session and has made one call before the clock starts. */
async function run(target: Target, load: Load, ms: number): Promise<Sample> {
  const callers = Array.from({ length: load.connections }, (_, lane) => new Caller(target, load, lane));
  const tally = emptyTally();
  try {
    for (let from = 0; from < callers.length; from += openingMax) {
      await Promise.all(callers.slice(from, from + openingMax).map((caller) => prepare(caller, tally)));
    }
    const fromMs = performance.now();
    await Promise.all(callers.map((caller, lane) => keepCalling(caller, load, lane, { fromMs, ms, tally })));
    return sampleOf(tally, fromMs);
  } finally {
    await Promise.all(callers.map((caller) => caller.close()));
  }
}

async function prepare(caller: Caller, tally: Tally): Promise<void> {
  try {
    await caller.open();
    const problem = await caller.call((lastId += 1));
    if (problem !== undefined) fail(tally, problem);
  } catch (error) {
    fail(tally, words(error));
  }
}

interface Slice {
  readonly fromMs: number;
  readonly ms: number;
  readonly tally: Tally;
}

async function keepCalling(
  caller: Caller,
  load: Load,
  lane: number,
  { fromMs, ms, tally }: Slice,
): Promise<void> {
  const { everyMs } = load;
  const untilMs = fromMs + ms;
  let dueMs = everyMs === undefined ? fromMs : fromMs + (everyMs * lane) / load.connections;
  let wasLate = false;
  for (;;) {
    if ((everyMs === undefined ? performance.now() : dueMs) >= untilMs) return;
    if (dueMs > performance.now()) await sleep(dueMs - performance.now());
    // A call that is late because the one before it was slow has begun when it was due.
    const beganMs = everyMs !== undefined && wasLate ? dueMs : performance.now();
    if (everyMs !== undefined) dueMs += everyMs;
    try {
      const problem = await caller.call((lastId += 1));
      if (problem === undefined) tally.tookMs.push(performance.now() - beganMs);
      else fail(tally, problem);
    } catch (error) {
      fail(tally, words(error));
      // A target that is gone must not be asked in a busy loop.
      await sleep(10);
    }
    wasLate = performance.now() > dueMs;
  }
}

const sessionLoad: Load = {
  name: 'sessions',
  era: 'legacy',
  method: 'tools/list',
  tool: '',
  connections: 1,
  server: 0,
};

/** Over few connections, so that what stays behind is sessions and not sockets. */
async function openSessions(target: Target, count: number): Promise<Sample> {
  const tally = emptyTally();
  const fromMs = performance.now();
  let left = count;
  const lane = async (): Promise<void> => {
    const caller = new Caller(target, sessionLoad, 0);
    while (left > 0) {
      left -= 1;
      const beganMs = performance.now();
      try {
        await caller.open();
        tally.tookMs.push(performance.now() - beganMs);
      } catch (error) {
        fail(tally, words(error));
      }
    }
    await caller.leave();
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  return sampleOf(tally, fromMs);
}

async function obey(order: Order): Promise<Sample> {
  switch (order.kind) {
    case 'run':
      return await run(order.target, order.load, order.ms);
    case 'sessions':
      return await openSessions(order.target, order.count);
    case 'hold':
      await silent.hold(order.target, order.server, order.pieces);
      return sampleOf(emptyTally(), performance.now());
    case 'release':
      silent.release();
      return sampleOf(emptyTally(), performance.now());
  }
}

endWithParent();
// One order at a time: the parent sends the next one after the outcome. The channel keeps this process alive.
process.channel?.ref();
process.on('message', (order: Order) => {
  obey(order).then(
    (sample) => process.send?.(sample satisfies Outcome),
    (error: unknown) => process.send?.({ failed: words(error) } satisfies Outcome),
  );
});
process.stdout.write('ready load\n');
