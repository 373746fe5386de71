/** What replicas tell one another of the sessions that they share at legacy servers, sealed: whoever reads the store opens none of them. */

import { createHash } from 'node:crypto';
import type { Cache } from '@cruvero/ports';
import type { SessionMemory } from '@cruvero/upstream';
import type { Seal } from './seal.ts';

/** A server may say much of itself; what would not open again is not kept, and each replica opens its own session then. */
const valueCharsMax = 32_000;

/** `ageMs`: nothing is kept longer. */
export function sessionMemory(cache: Cache, seal: Seal, ageMs: number): SessionMemory {
  return {
    recall: async (key) => {
      const sealed = await cache.get(nameOf(key));
      const text = sealed === undefined ? undefined : seal.open('upstream-session', sealed);
      if (text === undefined) return undefined;
      // What was sealed for one key opens under no other: nobody gets the session of somebody else by moving it.
      const [own, value] = JSON.parse(text) as [string, string];
      return own === key ? value : undefined;
    },
    remember: (key, value) => {
      const text = JSON.stringify([key, value]);
      if (text.length <= valueCharsMax)
        void cache.set(nameOf(key), seal.seal('upstream-session', text), ageMs);
    },
    forget: (key) => void cache.delete(nameOf(key)),
  };
}

/** Keys hold addresses, which may hold secrets. */
function nameOf(key: string): string {
  return `upstream/${createHash('sha256').update(key).digest('base64url')}`;
}
