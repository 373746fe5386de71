/** A lease: a credential with an end. When it is renewed, how long it lives, and what an outage makes of it. */

/** Times are of the holder's own monotonic clock: a lease is told as a duration, so clocks need not agree. */
export interface LeaseSpan {
  readonly startMs: number;
  readonly endMs: number;
  /** From here on it is asked for anew, while it still serves. */
  readonly renewAtMs: number;
}

export interface LeasePolicy {
  /** Shortest lease that is worth holding. */
  readonly ttlMsMin: number;
  readonly ttlMsMax: number;
  /** First pause after a question that had no answer; doubled each time, with jitter. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
}

export const defaultLeasePolicy: LeasePolicy = {
  ttlMsMin: 1_000,
  ttlMsMax: 3_600_000,
  backoffMs: 500,
  backoffMsMax: 15_000,
};

/** Renewed between 60 % and 80 % of its life, so that a fleet that started together does not ask together. */
export function leaseSpan(
  askedAtMs: number,
  ttlMs: number,
  policy: LeasePolicy,
  random: () => number,
): LeaseSpan {
  const lifeMs = Math.min(policy.ttlMsMax, Math.max(policy.ttlMsMin, ttlMs));
  return {
    startMs: askedAtMs,
    endMs: askedAtMs + lifeMs,
    renewAtMs: askedAtMs + Math.round(lifeMs * (0.6 + 0.2 * random())),
  };
}

/** `good`: use it. `due`: use it, and ask for the next one. `over`: it must not be used any more. */
export type LeaseVerdict = 'good' | 'due' | 'over';

export function judgeLease(span: LeaseSpan, nowMs: number): LeaseVerdict {
  if (nowMs >= span.endMs) return 'over';
  return nowMs >= span.renewAtMs ? 'due' : 'good';
}

/** How long to wait after the n-th failure in a row (1, 2, …): between half and all of the doubled pause. */
export function leaseBackoffMs(failures: number, policy: LeasePolicy, random: () => number): number {
  const ceilingMs = Math.min(policy.backoffMsMax, policy.backoffMs * 2 ** Math.min(failures - 1, 16));
  return Math.round(ceilingMs * (0.5 + random() / 2));
}

/**
 * Why there is no credential. `not_found` and `denied` are verdicts and end a lease that is held; `away` and `busy` say
 * nothing about it, so it goes on to its end.
 */
export type CredentialFailure = 'not_found' | 'denied' | 'away' | 'busy' | 'unfit';

export function endsLease(why: CredentialFailure): boolean {
  return why === 'not_found' || why === 'denied';
}

/** Who may ask for what: `*` stands for every tenant, or every integration. */
export interface CredentialGrant {
  readonly asker: string;
  readonly tenant: string;
  readonly integration: string;
}

export function isGranted(
  grants: readonly CredentialGrant[],
  asker: string,
  tenant: string,
  integration: string,
): boolean {
  return grants.some(
    (grant) =>
      grant.asker === asker &&
      (grant.tenant === '*' || grant.tenant === tenant) &&
      (grant.integration === '*' || grant.integration === integration),
  );
}
