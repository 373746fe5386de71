/** What a principal's profile lets it see and call. Deny wins; a refusal names its rule. */

import type { PolicyProfile } from '../model/policy.ts';

export type Permit =
  { readonly allowed: true } | { readonly allowed: false; readonly reason: 'denylist' | 'allowlist' };

const allowed: Permit = { allowed: true };

/** `*` in a pattern stands for any run of characters; everything else for itself. Linear in both lengths. */
export function matchesPattern(pattern: string, name: string): boolean {
  const pieces = pattern.split('*');
  const first = pieces[0] ?? '';
  if (pieces.length === 1) return pattern === name;
  const last = pieces[pieces.length - 1] ?? '';
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length)
    return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return at <= end;
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
