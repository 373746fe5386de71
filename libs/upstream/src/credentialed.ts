/** The ways to a server that wants a credential: every exchange carries it, and none leaves without it. */

import {
  credentialHeader,
  sameFields,
  type CredentialHeader,
  type CredentialUse,
  type TenantId,
} from '@cruvero/core';
import {
  isCredentialFault,
  isUpstreamFault,
  type CredentialLease,
  type Credentials,
  type Upstream,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
  type Upstreams,
} from '@cruvero/ports';

export interface CredentialedParts {
  readonly tenantId: TenantId;
  readonly use: CredentialUse;
  readonly credentials: Pick<Credentials, 'held' | 'lease' | 'refused'>;
  /** Aborted when what is held was revoked; asked for anew each time. Streams that were opened with it end then. */
  readonly gone: () => AbortSignal;
}

/** Children of this process read no headers: only what goes over a network is changed. */
export function credentialed(upstreams: Upstreams, parts: CredentialedParts): Upstreams {
  const headers = new WeakMap<CredentialLease, CredentialHeader>();
  const wrapped: { http?: Upstream; sse?: Upstream } = {};
  for (const transport of ['http', 'sse'] as const) {
    const upstream = upstreams[transport];
    if (upstream) wrapped[transport] = wrap(upstream, parts, headers);
  }
  return { ...upstreams, ...wrapped };
}

type Headers = WeakMap<CredentialLease, CredentialHeader>;

function wrap(upstream: Upstream, parts: CredentialedParts, headers: Headers): Upstream {
  return {
    exchange: (request) => exchange(upstream, request, parts, headers),
    // The one below has an owner.
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function exchange(
  upstream: Upstream,
  request: UpstreamRequest,
  parts: CredentialedParts,
  headers: Headers,
): Promise<UpstreamResponse | UpstreamFault> {
  const { tenantId, use, credentials } = parts;
  const lease =
    credentials.held(tenantId, use.secretRef) ?? (await credentials.lease(tenantId, use.secretRef));
  if (isCredentialFault(lease)) return withheld(lease.detail);
  const first = await send(upstream, request, lease, parts, headers);
  if (isUpstreamFault(first) || first.status !== 401 || first.body.kind !== 'text') return first;
  // It did nothing but refuse: with another credential it may be asked again.
  const next = await credentials.refused(tenantId, use.secretRef, lease);
  if (isCredentialFault(next) || sameFields(next.fields, lease.fields)) return first;
  return send(upstream, request, next, parts, headers);
}

function send(
  upstream: Upstream,
  request: UpstreamRequest,
  lease: CredentialLease,
  { use, gone }: CredentialedParts,
  headers: Headers,
): Promise<UpstreamResponse | UpstreamFault> {
  const header = headers.get(lease) ?? credentialHeader(use, lease.fields);
  if ('problem' in header) return Promise.resolve(withheld(header.problem));
  headers.set(lease, header);
  return upstream.exchange({
    ...request,
    headers: { ...request.headers, [header.name]: header.value },
    ...(isLasting(request) ? { signal: AbortSignal.any([request.signal, gone()]) } : {}),
  });
}

/** A stream that stays open longer than any call. */
function isLasting({ httpMethod, headers }: UpstreamRequest): boolean {
  return httpMethod === 'GET' || headers['mcp-method'] === 'subscriptions/listen';
}

const withheld = (detail: string): UpstreamFault => ({
  fault: 'unreachable',
  detail: `its credential is not to be had: ${detail}`,
  neverLeft: true,
});
