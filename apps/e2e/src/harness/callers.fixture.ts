/** Callers who keep calling whatever happens around them, and the history of what became of every call. */

import { setTimeout as rest } from 'node:timers/promises';
import type { JsonObject } from '@cruvero/core';
import { connect, type StoryClient } from './clients.fixture.ts';
import type { Layout } from './layout.fixture.ts';
import { rawCall } from './raw.fixture.ts';
import { until } from './until.fixture.ts';

/** One call, in the monotonic time of this process. */
export interface Call {
  readonly caller: string;
  readonly tool: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: 'ok' | { readonly error: string };
}

export interface Callers extends AsyncDisposable {
  /** Every call that has ended, in the order of the ends. */
  readonly history: readonly Call[];
  /** Waits until every caller has begun and ended so many more calls. */
  each(calls: number, withinMs?: number): Promise<void>;
  /** The running calls end; no others begin. */
  stop(): Promise<void>;
}

export interface CallersOptions {
  /** Callers over one legacy session each. */
  readonly legacy: number;
  /** Callers over single modern requests. */
  readonly modern: number;
  /** Exposed names, called in turn with `{text}`. */
  readonly tools: readonly string[];
  /** How the right answer is known; undefined where it is right, otherwise what is wrong with it. */
  readonly wrong: (tool: string, text: string, result: JsonObject) => string | undefined;
}

/** Between two calls of one caller: the machine has other things to do too. */
const pauseMs = 50;

type Ask = (tool: string, args: JsonObject) => Promise<JsonObject>;

export async function startCallers(layout: Layout, options: CallersOptions): Promise<Callers> {
  const history: Call[] = [];
  const clients: StoryClient[] = [];
  for (let n = 0; n < options.legacy; n += 1) clients.push(await connect('legacy', layout));
  const asks: readonly (readonly [name: string, ask: Ask])[] = [
    ...clients.map(
      (client, n) => [`legacy-${n}`, (tool: string, args: JsonObject) => client.call(tool, args)] as const,
    ),
    ...Array.from({ length: options.modern }, (_, n) => [`modern-${n}`, rawAsk(layout)] as const),
  ];
  const ended = new Map(asks.map(([name]) => [name, 0]));
  let over = false;
  const keepCalling = async (name: string, ask: Ask, first: number): Promise<void> => {
    for (let n = first; !over; n += 1) {
      const tool = options.tools[n % options.tools.length] ?? '';
      history.push(await one(name, ask, tool, `${name}/${n}`, options.wrong));
      ended.set(name, (ended.get(name) ?? 0) + 1);
      await rest(pauseMs);
    }
  };
  const running = asks.map(([name, ask], first) => keepCalling(name, ask, first));
  const stop = async (): Promise<void> => {
    over = true;
    await Promise.all(running);
  };
  return {
    history,
    each: async (calls, withinMs) => {
      // The call under way may have begun before.
      const goals = new Map([...ended].map(([name, count]) => [name, count + calls + 1]));
      const behind = (): readonly string[] =>
        [...goals].flatMap(([name, goal]) => ((ended.get(name) ?? 0) < goal ? [name] : []));
      await until(`each caller ends ${calls} more calls`, () => behind().length === 0, withinMs);
    },
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
      await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
    },
  };
}

const rawAsk =
  (layout: Layout): Ask =>
  async (tool, args) => {
    const { status, result, error } = await rawCall(layout, tool, args);
    if (status === 200 && result) return result;
    throw new Error(`HTTP ${status}: ${error?.code ?? ''} ${error?.message ?? 'no error said'}`);
  };

async function one(
  caller: string,
  ask: Ask,
  tool: string,
  text: string,
  wrong: CallersOptions['wrong'],
): Promise<Call> {
  const startedAtMs = performance.now();
  let outcome: Call['outcome'];
  try {
    const problem = wrong(tool, text, await ask(tool, { text }));
    outcome = problem === undefined ? 'ok' : { error: problem };
  } catch (error) {
    outcome = { error: String(error) };
  }
  return { caller, tool, startedAtMs, endedAtMs: performance.now(), outcome };
}

export interface Findings {
  readonly calls: number;
  readonly failures: readonly Call[];
  /** Calls that began and ended in the time, of the caller that had fewest of them. */
  readonly fewest: number;
  readonly longestMs: number;
}

/** What the history says of the calls that ran within a time, wholly or in part. */
export function check(history: readonly Call[], fromMs: number, toMs: number): Findings {
  const touching = history.filter((call) => call.endedAtMs >= fromMs && call.startedAtMs <= toMs);
  const counts = new Map(history.map((call) => [call.caller, 0]));
  for (const call of touching) {
    if (call.startedAtMs >= fromMs && call.endedAtMs <= toMs)
      counts.set(call.caller, (counts.get(call.caller) ?? 0) + 1);
  }
  return {
    calls: touching.length,
    failures: touching.filter(({ outcome }) => outcome !== 'ok'),
    fewest: Math.min(...counts.values()),
    longestMs: Math.round(Math.max(0, ...touching.map((call) => call.endedAtMs - call.startedAtMs))),
  };
}
