/** What went wrong on the way to a server, in the words of the core. */

import type { Fault, ServerName } from '@cruvero/core';
import type { UpstreamFault } from '@cruvero/ports';

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

/** What the work gives, or `cancelled` as soon as the caller is gone; the work goes on for others who wait for it. */
export function orCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T | Fault> {
  if (signal.aborted) return Promise.resolve({ fault: 'cancelled' });
  const { promise, resolve, reject } = Promise.withResolvers<T | Fault>();
  const onAbort = (): void => resolve({ fault: 'cancelled' });
  signal.addEventListener('abort', onAbort);
  work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return promise;
}
