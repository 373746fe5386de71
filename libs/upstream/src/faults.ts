/** What went wrong on the way to a server, in the words of the core. */

import type { Fault, ServerName } from '@cruvero/core';
import type { UpstreamFault } from '@cruvero/ports';
import type { Peer } from './peer.ts';

/** `timeoutMs` is the bound that was given to the exchange. */
export function coreFault(fault: UpstreamFault, server: ServerName, timeoutMs: number): Fault {
  switch (fault.fault) {
    case 'unreachable':
    case 'refused_address':
      return { fault: 'upstream_unavailable', server, detail: fault.detail, neverLeft: fault.neverLeft };
    case 'timeout':
      return fault.neverLeft
        ? { fault: 'upstream_unavailable', server, detail: fault.detail, neverLeft: true }
        : { fault: 'upstream_timeout', server, timeoutMs };
    case 'broken':
      return { fault: 'upstream_broken', server, detail: fault.detail };
    case 'too_large':
      return tooLarge(fault.detail, server);
    case 'aborted':
      return { fault: 'cancelled' };
  }
}

/** The bound stands in the sentence where there is one to tell. */
function tooLarge(detail: string, server: ServerName): Fault {
  const bytes = /\d+/.exec(detail)?.[0];
  if (bytes === undefined) return { fault: 'upstream_broken', server, detail };
  return { fault: 'upstream_too_large', server, bytesMax: Number(bytes) };
}

export function upstreamBroken(peer: Peer, detail: string): Fault {
  return { fault: 'upstream_broken', server: peer.server, detail };
}

/** `neverLeft`: nothing was done about the request, so that it may be sent again. */
export function unavailable(peer: Peer, detail: string, neverLeft: boolean): Fault {
  return { fault: 'upstream_unavailable', server: peer.server, detail, neverLeft };
}

export function noTransport(peer: Peer): Fault {
  const detail = `this process does not speak transport ${JSON.stringify(peer.instance.transport)}`;
  return unavailable(peer, detail, true);
}

/** A status that speaks of an outage, or of this gateway's standing with the server, and not of the message. */
export function outageDetail(status: number): string | undefined {
  if (status === 401 || status === 403) return `it refuses this gateway's credentials (HTTP ${status})`;
  return status === 429 || status >= 500 ? `it answers HTTP ${status}` : undefined;
}

/** For a status that came to a request without a message; a proxy's 502 or 504 may come after the server did its work. */
export function unanswered(peer: Peer, status: number): Fault {
  const outage = status >= 500 && status !== 503 ? undefined : outageDetail(status);
  return outage === undefined
    ? upstreamBroken(peer, `it answered HTTP ${status} without a JSON-RPC message`)
    : unavailable(peer, outage, false);
}

/** What the work gives, or `cancelled` as soon as the caller is gone; the work goes on for others who wait for it. */
export function orCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T | Fault> {
  if (signal.aborted) return Promise.resolve({ fault: 'cancelled' });
  const { promise, resolve, reject } = Promise.withResolvers<T | Fault>();
  const onAbort = (): void => resolve({ fault: 'cancelled' });
  signal.addEventListener('abort', onAbort);
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return promise;
}
