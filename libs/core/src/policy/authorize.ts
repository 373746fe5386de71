/** What a principal's profile lets it see and call. Deny wins; a refusal names its rule. */

import type { PolicyProfile } from '../model/policy.ts';

export type Permit =
  { readonly allowed: true } | { readonly allowed: false; readonly reason: 'denylist' | 'allowlist' };

const allowed: Permit = { allowed: true };

/** `*` in a pattern stands for any run of characters; everything else for itself. Linear in both lengths. */
export function matchesPattern(pattern: string, name: string): boolean {
  const first = pattern.indexOf('*');
  if (first < 0) return pattern === name;
  const last = pattern.lastIndexOf('*');
  const [head, tail] = [pattern.slice(0, first), pattern.slice(last + 1)];
  if (!name.startsWith(head) || !name.endsWith(tail) || name.length < head.length + tail.length) return false;
  const end = name.length - tail.length;
  let at = head.length;
  for (const piece of pattern.slice(first, last).split('*')) {
    const found = name.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}

/** `name` is canonical: `mcp.<server>.<tool>`. */
export function permitTool(profile: PolicyProfile, name: string): Permit {
  if (profile.toolDenylist?.some((pattern) => matchesPattern(pattern, name)))
    return { allowed: false, reason: 'denylist' };
  const list = profile.toolAllowlist;
  if (list === undefined || list.length === 0) return allowed;
  return list.some((pattern) => matchesPattern(pattern, name))
    ? allowed
    : { allowed: false, reason: 'allowlist' };
}

/** True where the profile may hide something, so that lists differ between principals. */
export function filtersTools(profile: PolicyProfile): boolean {
  return (profile.toolDenylist?.length ?? 0) > 0 || (profile.toolAllowlist?.length ?? 0) > 0;
}
