/** Runs the checks against a gateway, a few at a time, and says what came of each. */

import { Scene, type Check, type Group } from './check.ts';
import { has, type Target } from './target.ts';
import type { Upstream } from './upstream/server.ts';

export type Outcome =
  | { readonly is: 'passed' }
  | { readonly is: 'failed'; readonly why: string; readonly error: unknown }
  /** The target has no means for it. */
  | { readonly is: 'left out'; readonly why: string };

export interface Row {
  readonly group: string;
  readonly check: string;
  readonly outcome: Outcome;
  readonly tookMs: number;
}

const checkMsMax = 25_000;
const whyCharsMax = 1_500;

export class Runner {
  readonly #target: Target;
  readonly #upstream: Upstream;
  #tags = 0;

  constructor(target: Target, upstream: Upstream) {
    this.#target = target;
    this.#upstream = upstream;
  }

  async run(check: Check): Promise<Outcome> {
    const lacks = (check.needs ?? []).find((need) => !has(this.#target, need));
    if (lacks !== undefined) return { is: 'left out', why: `no ${lacks}` };
    this.#tags += 1;
    const scene = new Scene(this.#target, this.#upstream, `tag${String(this.#tags).padStart(5, '0')}`);
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`it did not end within ${checkMsMax} ms`)),
      checkMsMax,
    );
    try {
      await Promise.race([check.run(scene), late.promise]);
      return { is: 'passed' };
    } catch (error) {
      return { is: 'failed', why: wordsOf(error).slice(0, whyCharsMax), error };
    } finally {
      clearTimeout(timer);
      this.#upstream.world('modern').release(scene.tag);
    }
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.message.replaceAll('\n', ' ')}${cause}`;
}

/** In the order of the groups, one after the other; those that wait run beside all others. */
export async function runAll(
  groups: readonly Group[],
  target: Target,
  upstream: Upstream,
  onRow: (row: Row) => void = () => undefined,
): Promise<readonly Row[]> {
  const runner = new Runner(target, upstream);
  const rows: Row[] = [];
  const run = async ({ title }: Group, check: Check): Promise<void> => {
    const startMs = performance.now();
    const outcome = await runner.run(check);
    const row = { group: title, check: check.name, outcome, tookMs: Math.round(performance.now() - startMs) };
    rows.push(row);
    onRow(row);
  };
  const waiting = groups.flatMap((group) =>
    group.checks.filter(({ waits }) => waits === true).map((check) => run(group, check)),
  );
  const inTurn = async (chosen: readonly Group[]): Promise<void> => {
    for (const group of chosen)
      for (const check of group.checks) if (check.waits !== true) await run(group, check);
  };
  await inTurn(groups.filter(({ last }) => last !== true));
  await Promise.all(waiting);
  await inTurn(groups.filter(({ last }) => last === true));
  return rows;
}
