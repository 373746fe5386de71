/** Starts again what died, after a growing pause. */

import { describeExit } from './process.ts';
import type { Exit } from './process.ts';

/** What can be kept alive. */
export interface Mortal {
  readonly name: string;
  restart(): Promise<void>;
  onDeath(listener: (exit: Exit) => void): void;
}

export interface KeepAliveOptions {
  /** Told of each death and each new start. */
  readonly onEvent: (line: string) => void;
  readonly firstPauseMs?: number;
}

const pauseMsMax = 15_000;
/** Who lived so long has recovered: the next pause is the first one again. */
const healthyMs = 30_000;

/** How long to wait before the nth start in a row (from 0): doubles up to 15 s. */
export function pauseMs(attempt: number, firstPauseMs: number): number {
  return Math.min(pauseMsMax, firstPauseMs * 2 ** Math.min(attempt, 20));
}

/** @returns a function that ends the care. */
export function keepAlive(mortal: Mortal, { onEvent, firstPauseMs = 500 }: KeepAliveOptions): () => void {
  let attempt = 0;
  let startedMs = Date.now();
  let timer: NodeJS.Timeout | undefined;
  let over = false;

  const again = (why: string): void => {
    if (over) return;
    const waitMs = pauseMs(attempt, firstPauseMs);
    attempt += 1;
    onEvent(`${mortal.name} ${why}; starting it again in ${waitMs / 1000} s`);
    timer = setTimeout(() => {
      mortal.restart().then(
        () => {
          startedMs = Date.now();
          if (!over) onEvent(`${mortal.name} runs again`);
        },
        (error: unknown) =>
          again(`did not start (${error instanceof Error ? error.message : String(error)})`),
      );
    }, waitMs);
  };
  mortal.onDeath((exit) => {
    if (Date.now() - startedMs > healthyMs) attempt = 0;
    again(`ended (${describeExit(exit)})`);
  });
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
