/**
 * What went wrong on a connection, as the fault that the port names; no address and no secret in the
 * sentence.
 */

import type { UpstreamFault } from '@cruvero/ports';

export function fault(name: UpstreamFault['fault'], detail: string, neverLeft: boolean): UpstreamFault {
  return { fault: name, detail, neverLeft };
}

/** By error code: before the request left, each of these means that the server cannot be reached. */
const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be resolved just now',
  EHOSTUNREACH: 'there is no route to the host',
  ENETUNREACH: 'there is no route to the network',
  ETIMEDOUT: 'the connection could not be made in time',
  UND_ERR_CONNECT_TIMEOUT: 'the connection could not be made in time',
  UND_ERR_DESTROYED: 'this gateway has closed its connections',
  UND_ERR_CLOSED: 'this gateway has closed its connections',
  ECONNRESET: 'the connection was reset while it was made',
  EMFILE: 'this process has no file descriptor left',
};

/**
 * `left` is true once the request was given to a socket: from then on nobody can be certain that the server
 * has not got it,
 * also where a kept connection was reset before the first byte of an answer.
 */
export function faultOf(error: Error, left: boolean): UpstreamFault {
  const code = errorCode(error);
  if (code === 'REFUSED_ADDRESS') return fault('refused_address', error.message, true);
  if (code === 'UND_ERR_INVALID_ARG') return fault('broken', 'the request cannot be written as HTTP', true);
  if (!left)
    return fault(
      'unreachable',
      describe(unreachable[code] ?? 'the connection could not be made', code),
      true,
    );
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return fault('too_large', 'the head of the answer is too large', false);
  if (code.startsWith('HPE_')) return fault('broken', describe('the answer is not HTTP', code), false);
  return fault('broken', describe('the connection ended before the answer was whole', code), false);
}

const describe = (what: string, code: string): string => (code === '' ? what : `${what} (${code})`);

/** Happy-eyeballs connects give one error for all addresses; the first tells most. */
function errorCode(error: Error): string {
  const own = (error as NodeJS.ErrnoException).code;
  if (typeof own === 'string' && own !== '') return own;
  if (error instanceof AggregateError) {
    const first: unknown = error.errors[0];
    if (first instanceof Error) return errorCode(first);
  }
  return '';
}
