/** What the Bus contract asks of an adapter under test: connections to one broker, and time that passes. */

import assert from 'node:assert/strict';

import type { Bus, StreamDefinition } from '../bus.ts';

export interface BusRig {
  /** A connected bus. */
  readonly bus: Bus;
  /** First token of every subject, stream and bucket of this test: rigs may share one broker. */
  readonly prefix: string;
  /** Another connection to the same broker, as another process would have. */
  second(): Promise<Bus>;
  /** Lets time pass, simulated or real. */
  passTime(ms: number): Promise<void>;
  /** Sends bytes as they are, where the adapter can carry what is not JSON. */
  publishRaw?(subject: string, text: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type OpenBusRig = () => Promise<BusRig>;

/** Waits for a condition, at most five seconds of the rig's time. */
export async function until(rig: BusRig, what: string, condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; waitedMs < 5_000; waitedMs += 10) {
    if (condition()) return;
    await rig.passTime(10);
  }
  if (!condition()) assert.fail(`not within five seconds: ${what}`);
}

/** Waits for a promise while the rig's time passes. */
export async function within<T>(rig: BusRig, what: string, promise: Promise<T>): Promise<T> {
  let ended = false;
  const done = promise.finally(() => (ended = true));
  done.catch(() => undefined);
  await until(rig, what, () => ended);
  return await done;
}

/** A stream over `<prefix>.stored.>`. */
export function streamOf(rig: BusRig): StreamDefinition {
  return {
    name: `${rig.prefix.toUpperCase()}_STORED`,
    subjects: [`${rig.prefix}.stored.>`],
    ageMaxMs: 3_600_000,
    bytesMax: 8 << 20,
  };
}

/** Makes the stream; fails the test where that is refused. */
export async function withStream(rig: BusRig, definition = streamOf(rig)): Promise<StreamDefinition> {
  assert.equal(await within(rig, 'stream made', rig.bus.ensureStream(definition)), undefined);
  return definition;
}
