/** Where secrets come from, and what those hold who need one: leases, by tenant and integration. */

import type { CredentialFailure, Integration, SecretFields, TenantId } from '@cruvero/core';
import type { Subscription } from './bus.ts';

export interface CredentialFault {
  readonly fault: CredentialFailure;
  /** Part of a sentence for a person; never a part of a secret, of a token or of an address with one. */
  readonly detail: string;
  /** When it makes sense to ask again; 0 where nothing is known. */
  readonly retryAfterMs: number;
}

export function isCredentialFault(value: unknown): value is CredentialFault {
  return typeof value === 'object' && value !== null && 'fault' in value;
}

/** Of a secret that its store made for us and will take back. */
export interface StoreLease {
  readonly id: string;
  readonly ttlMs: number;
  readonly renewable: boolean;
}

export interface Credential {
  readonly fields: SecretFields;
  /** Absent for a secret that somebody wrote down: it stays until it is written anew or deleted. */
  readonly lease?: StoreLease;
}

/**
 * One place where secrets are. Nothing here rejects. `not_found` is no fault of a provider: it says undefined, and the next
 * one is asked; any fault ends the search, since another place might hold another secret.
 */
export interface CredentialProvider {
  /** Shown in answers, audit and logs. */
  readonly name: string;
  getCredentials(
    tenantId: TenantId,
    integration: Integration,
  ): Promise<Credential | undefined | CredentialFault>;
  /** Absent where secrets are only read. */
  readonly writing?: {
    put(
      tenantId: TenantId,
      integration: Integration,
      fields: SecretFields,
    ): Promise<CredentialFault | undefined>;
    /** All versions of it; false where there was none. */
    delete(tenantId: TenantId, integration: Integration): Promise<boolean | CredentialFault>;
  };
  /** Absent where no secret has an end of its own. */
  readonly leasing?: {
    renew(tenantId: TenantId, lease: StoreLease): Promise<StoreLease | CredentialFault>;
    revoke(tenantId: TenantId, lease: StoreLease): Promise<CredentialFault | undefined>;
  };
  /** Undefined where it can be asked now, otherwise why not. */
  unready(): string | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CredentialLease {
  readonly leaseId: string;
  /** Which provider had it. */
  readonly provider: string;
  readonly fields: SecretFields;
}

export interface CredentialChange {
  readonly tenantId: TenantId;
  readonly integration: Integration;
  /** `gone`: what is held must not be used any more; `other`: another one is held, or is worth being asked for. */
  readonly change: 'gone' | 'other';
}

/** What a service holds of others' secrets. Nothing here rejects. */
export interface Credentials {
  /** A lease that may be used at once; undefined where it has to be asked for. */
  held(tenantId: TenantId, integration: Integration): CredentialLease | undefined;
  /** The one that is held, or a new one; those who ask at the same time share one question. */
  lease(tenantId: TenantId, integration: Integration): Promise<CredentialLease | CredentialFault>;
  /** The server did not take it: what is there now, asked at most every few seconds. The same lease where nothing is new. */
  refused(
    tenantId: TenantId,
    integration: Integration,
    lease: CredentialLease,
  ): Promise<CredentialLease | CredentialFault>;
  /** Renewed as long as it is kept, also while nobody asks. */
  keep(tenantId: TenantId, integration: Integration): Disposable;
  onChange(listener: (change: CredentialChange) => void): Subscription;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SecretWritten {
  readonly provider: string;
  /** Read-only places that hold one of this name too. */
  readonly stillIn: readonly string[];
}

/** Writes secrets and never reads one. Nothing here rejects. */
export interface CredentialWriter {
  put(
    tenantId: TenantId,
    integration: Integration,
    fields: SecretFields,
    by: string,
  ): Promise<SecretWritten | CredentialFault>;
  delete(tenantId: TenantId, integration: Integration, by: string): Promise<SecretWritten | CredentialFault>;
}
