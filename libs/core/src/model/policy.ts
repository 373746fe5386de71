/** What a principal may do: profiles of limits and tool lists (requirements, appendix A2 `policy`). */

/** `audit` lets a violation through and reports it; `enforce` refuses it. */
export type EnforcementMode = 'enforce' | 'audit';

export interface PolicyProfile {
  readonly name: string;
  /** Calls a second that refill the bucket; above 0. */
  readonly rateLimit: number;
  /** Calls that may come at once; above 0. */
  readonly rateBurst: number;
  /** Canonical tool names, `*` matching any run of characters. Empty or absent: every tool that is not denied. */
  readonly toolAllowlist?: readonly string[];
  /** Wins over the allow list. */
  readonly toolDenylist?: readonly string[];
  readonly enforcementMode: EnforcementMode;
}

export const defaultProfileName = 'default';

/** Generous on purpose: it bounds a runaway agent, not a working one. */
export const defaultProfile: PolicyProfile = {
  name: defaultProfileName,
  rateLimit: 1_000,
  rateBurst: 2_000,
  enforcementMode: 'enforce',
};
