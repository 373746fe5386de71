/** Who calls: by API key, known by its hash only. Deny by default. */

import { hash } from 'node:crypto';
import {
  defaultProfileName,
  type Fault,
  type Principal,
  type Scope,
  type Snapshot,
  type TenantId,
} from '@cruvero/core';
import type { AuthMode } from '@cruvero/core';

export interface Presented {
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
}

/** Longer keys are not hashed: they cannot be ours, and hashing them would be work for a stranger. */
const keyCharsMax = 512;

const bearer = /^bearer[ \t]+([^ \t]+)[ \t]*$/i;

/**
 * The principal behind the presented key, or a fault that says what to send. The key is looked up by its SHA-256: keys are 256
 * random bits, so the time of a lookup tells nothing about them.
 */
export function identify(
  presented: Presented,
  snapshot: Snapshot,
  mode: AuthMode,
  tenantId: TenantId,
): Principal | Fault {
  if (mode === 'none') {
    return { tenantId, name: 'anonymous', scopes: ['mcp', 'admin'], profile: defaultProfileName };
  }
  const key = readKey(presented);
  if (typeof key === 'object') return key;
  const known = snapshot.apiKeys.get(hash('sha256', key));
  if (!known)
    return {
      fault: 'unauthenticated',
      detail: 'This API key is not known here; check it, or ask for a new one.',
    };
  return { tenantId: known.tenantId, name: known.principal, scopes: known.scopes, profile: known.profile };
}

const refused = (detail: string): Fault => ({ fault: 'unauthenticated', detail });

function readKey({ authorization, apiKey }: Presented): string | Fault {
  if (authorization === undefined) {
    if (apiKey !== undefined) return bounded(apiKey);
    return refused('An API key is needed: send "Authorization: Bearer <key>" or "X-Api-Key: <key>".');
  }
  const key = bearer.exec(authorization)?.[1];
  if (key === undefined) return refused('The Authorization header is not of the form "Bearer <key>".');
  if (apiKey !== undefined && apiKey !== key) {
    return refused('Authorization and X-Api-Key carry different keys; send one of them.');
  }
  return bounded(key);
}

function bounded(key: string): string | Fault {
  if (key.length > 0 && key.length <= keyCharsMax) return key;
  return refused(`An API key has 1 to ${keyCharsMax} characters.`);
}

/** A fault unless the principal has the scope. */
export function requireScope(principal: Principal, scope: Scope): Fault | undefined {
  if (principal.scopes.includes(scope)) return undefined;
  return {
    fault: 'forbidden',
    detail: `This key has not the scope ${JSON.stringify(scope)}; it has: ${principal.scopes.join(', ') || 'none'}.`,
  };
}
