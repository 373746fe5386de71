/** One short value for everything a server offers, the same wherever and in whatever order it is written down. */

import { createHash } from 'node:crypto';
import type { Json, JsonObject } from '@cruvero/core';

/** Keys sorted at every depth, so that two writings of the same value are the same text. */
function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.entries(value as JsonObject)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
}

/**
 * SHA-256 (lower-case hex) over the canonical JSON of a server's tools and capabilities. The order in which a server lists
 * its tools does not count.
 */
export function capabilitiesHash(tools: readonly JsonObject[], capabilities: JsonObject): string {
  const listed = tools.map(canonical).sort();
  return createHash('sha256')
    .update(`{"capabilities":${canonical(capabilities)},"tools":[${listed.join(',')}]}`)
    .digest('hex');
}
