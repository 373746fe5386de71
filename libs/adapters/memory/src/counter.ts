/** Counts of this process, in fixed windows. */

import type { Counter } from '@cruvero/ports';

interface Count {
  window: number;
  endsMs: number;
  count: number;
}

/** More keys than this at once, and the ones untouched longest are forgotten. */
const keysMaxDefault = 100_000;

export function memoryCounter(options: { readonly keysMax?: number } = {}): Counter {
  const { keysMax = keysMaxDefault } = options;
  /** Least recently touched first. */
  const counts = new Map<string, Count>();

  const sweep = (nowMs: number): void => {
    for (const [key, { endsMs }] of counts) {
      if (counts.size <= keysMax && nowMs < endsMs) return;
      counts.delete(key);
    }
  };

  return {
    async add(key, windowMs, nowMs) {
      const window = Math.floor(nowMs / windowMs);
      const before = counts.get(key);
      const count = before?.window === window ? before.count + 1 : 1;
      counts.delete(key);
      counts.set(key, { window, endsMs: (window + 1) * windowMs, count });
      sweep(nowMs);
      return count;
    },
    async [Symbol.asyncDispose]() {
      counts.clear();
    },
  };
}
