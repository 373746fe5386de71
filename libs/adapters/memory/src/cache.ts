/** A cache in this process: least recently used goes first, values end with their time to live. */

import type { Cache, Clock } from '@cruvero/ports';

export interface MemoryCacheOptions {
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Keys and values together. */
  readonly bytesMax?: number;
  readonly entriesMax?: number;
}

interface Entry {
  readonly value: string;
  readonly bytes: number;
  readonly endsMs: number;
}

/** What an entry costs besides its text. */
const overheadBytes = 128;

export function memoryCache(options: MemoryCacheOptions): Cache {
  const { clock, bytesMax = 64 << 20, entriesMax = 100_000 } = options;
  /** A Map keeps the order of insertion; a read inserts anew, so the first is the one used longest ago. */
  const entries = new Map<string, Entry>();
  let bytes = 0;

  const drop = (key: string): void => {
    const entry = entries.get(key);
    if (!entry) return;
    entries.delete(key);
    bytes -= entry.bytes;
  };

  return {
    async get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      if (clock.nowMs() >= entry.endsMs) {
        drop(key);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return entry.value;
    },
    async set(key, value, ttlMs) {
      drop(key);
      // UTF-16: two bytes a unit at most.
      const entryBytes = 2 * (key.length + value.length) + overheadBytes;
      if (!(ttlMs > 0) || entryBytes > bytesMax) return;
      entries.set(key, { value, bytes: entryBytes, endsMs: clock.nowMs() + ttlMs });
      bytes += entryBytes;
      for (const oldest of entries.keys()) {
        if (bytes <= bytesMax && entries.size <= entriesMax) break;
        drop(oldest);
      }
    },
    async delete(key) {
      drop(key);
    },
    async [Symbol.asyncDispose]() {
      entries.clear();
      bytes = 0;
    },
  };
}
