/** Who calls: an API key by its hash, and the tenant that the call may touch. */

import type { IncomingMessage } from 'node:http';
import { soleHeader } from '@cruvero/chassis';
import { defaultTenant, readTenantId } from '@cruvero/core';
import type { ApiKey, Principal, TenantId } from '@cruvero/core';
import type { Clock, ServerStore } from '@cruvero/ports';
import { hashOfKey } from '../api-keys.ts';
import { problem } from './reply.ts';
import type { RestReply } from './reply.ts';

/** A key that was taken away elsewhere works no longer than this. */
const rememberMs = 1_000;
const keyCharsMax = 512;

/** Keys by hash. Comparing hashes of secrets leaks nothing of use in the time that it takes. */
export class KeyRing {
  readonly #store: Pick<ServerStore, 'apiKeys'>;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #keys: ReadonlyMap<string, ApiKey> = new Map();
  #readMs = Number.NEGATIVE_INFINITY;
  #forgotten = 0;

  constructor(store: Pick<ServerStore, 'apiKeys'>, clock: Pick<Clock, 'monotonicMs'>) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Keys changed here: the next caller sees it. */
  forget(): void {
    this.#readMs = Number.NEGATIVE_INFINITY;
    this.#forgotten += 1;
  }

  async find(key: string): Promise<ApiKey | undefined> {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#readMs > rememberMs) {
      const forgotten = this.#forgotten;
      const keys = await this.#store.apiKeys();
      this.#keys = new Map(keys.map((each) => [each.sha256, each]));
      // What was read before a change must not be taken for what came after it.
      if (forgotten === this.#forgotten) this.#readMs = nowMs;
    }
    return this.#keys.get(hashOfKey(key));
  }
}

const isReply = (value: Principal | RestReply): value is RestReply => 'status' in value;
export { isReply as isRefusal };

function keyIn(request: IncomingMessage): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(soleHeader(request.rawHeaders, 'authorization') ?? '')?.[1];
  const key = bearer ?? soleHeader(request.rawHeaders, 'x-api-key')?.trim();
  return key === undefined || key === '' || key.length > keyCharsMax ? undefined : key;
}

const unauthenticated = (message: string): RestReply => ({
  ...problem(401, 'unauthenticated', message),
  headers: { 'www-authenticate': 'Bearer realm="cruvero-registry"' },
});

/**
 * The caller, who has the scope admin; otherwise 401 or 403. Rejects with StoreUnavailable while keys cannot
 * be read.
 */
export async function authenticate(request: IncomingMessage, ring: KeyRing): Promise<Principal | RestReply> {
  const text = keyIn(request);
  if (text === undefined) {
    return unauthenticated('Send an API key as "Authorization: Bearer <key>" or "X-Api-Key: <key>".');
  }
  const key = await ring.find(text);
  if (!key) return unauthenticated('This API key is not known (any more).');
  if (!key.scopes.includes('admin')) {
    return problem(
      403,
      'forbidden',
      `The key of ${key.principal} lacks the scope admin, which this interface asks for.`,
    );
  }
  return { tenantId: key.tenantId, name: key.principal, scopes: key.scopes, profile: key.profile };
}

/**
 * The tenant that a call is about: the key's own unless another is named. Only admins of the tenant `default`, who run the
 * platform, may act for another tenant.
 */
export function tenantFor(principal: Principal, asked: string | undefined): TenantId | RestReply {
  const tenant = asked === undefined ? principal.tenantId : readTenantId(asked);
  if (tenant === undefined)
    return problem(400, 'bad_request', 'The tenant must be 1 to 63 letters, digits, - or _.');
  if (tenant === principal.tenantId || principal.tenantId === defaultTenant) return tenant;
  return problem(
    403,
    'wrong_tenant',
    `This key belongs to the tenant ${principal.tenantId} and may not act for another one.`,
  );
}
