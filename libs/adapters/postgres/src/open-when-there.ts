/** Waits for a database that is not there yet: services are started in any order, and none must be started twice. */

import type { Clock, Log } from '@cruvero/ports';
import { StoreUnavailable } from '@cruvero/ports';

export interface WaitParts {
  readonly log: Log;
  readonly clock: Pick<Clock, 'after'>;
  /** Aborted: no more waiting. */
  readonly signal: AbortSignal;
  /** Without user and password. */
  readonly database: string;
}

const retryMs = 1_000;

/**
 * Undefined where the signal came first. What is not StoreUnavailable (a wrong password, say) rejects at
 * once.
 */
export async function openWhenThere<T>(open: () => Promise<T>, parts: WaitParts): Promise<T | undefined> {
  while (!parts.signal.aborted) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      parts.log.warn('waiting for the database', { database: parts.database, detail: error.message });
    }
    await pause(parts);
  }
  return undefined;
}

/** Keeps the process alive while it waits; a clock's timers do not. */
function pause({ clock, signal }: WaitParts): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => undefined, 2 ** 30);
    const done = (): void => {
      clearInterval(alive);
      signal.removeEventListener('abort', done);
      timer.cancel();
      resolve();
    };
    const timer = clock.after(retryMs, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
