/** What the client library throws, as the faults of the Bus port. */

import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

import type { BusFault } from '@cruvero/ports';
import { messageBytesMax } from '@cruvero/ports';

export const disconnected: BusFault = { fault: 'bus_disconnected', detail: 'not connected to NATS' };

export function busError(detail: string): BusFault {
  return { fault: 'bus_error', detail };
}

export function tooLarge(subject: string, bytes: number, bytesMax = messageBytesMax): BusFault {
  return {
    fault: 'message_too_large',
    detail: `${bytes} bytes on ${subject}, at most ${bytesMax} are taken`,
  };
}

const hasCode = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;

export const isStreamMissing = (error: unknown): boolean => hasCode(error, JetStreamApiCodes.StreamNotFound);
export const isConsumerMissing = (error: unknown): boolean =>
  hasCode(error, JetStreamApiCodes.ConsumerNotFound);

/** No stream took a stored message, or no JetStream a question: the library wraps the server's "no responders". */
export function isUnheard(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof errors.RequestError) return false;
  return error.cause instanceof errors.RequestError && error.cause.isNoResponders();
}

/** `subject` is what the call was about: a subject, a stream or a key. */
export function toFault(error: unknown, subject: string): BusFault {
  const cause = error instanceof Error ? error.cause : undefined;
  if (error instanceof errors.TimeoutError || cause instanceof errors.TimeoutError) {
    return { fault: 'bus_timeout', detail: `NATS did not answer in time on ${subject}` };
  }
  if (isUnheard(error)) {
    return { fault: 'no_stream', detail: `no stream covers ${subject}, or JetStream is off on this server` };
  }
  if (isStreamMissing(error)) return { fault: 'no_stream', detail: `there is no stream for ${subject}` };
  if (error instanceof errors.RequestError && error.isNoResponders()) {
    return { fault: 'no_responder', detail: `nobody answers on ${subject}` };
  }
  if (error instanceof errors.NoRespondersError) {
    return { fault: 'no_responder', detail: `nobody answers on ${subject}` };
  }
  if (error instanceof errors.PermissionViolationError || cause instanceof errors.PermissionViolationError) {
    return busError(`NATS does not permit this connection to use ${subject}`);
  }
  if (isConnectionEnd(error)) return disconnected;
  const words = error instanceof Error ? error.message : String(error);
  if (words.includes('max_payload')) return tooLarge(subject, messageBytesMax + 1);
  if (error instanceof JetStreamApiError) return busError(`JetStream refused ${subject}: ${words}`);
  return busError(`${subject}: ${words}`.slice(0, 500));
}

function isConnectionEnd(error: unknown): boolean {
  if (
    error instanceof errors.ClosedConnectionError ||
    error instanceof errors.DrainingConnectionError ||
    error instanceof errors.ConnectionError
  ) {
    return true;
  }
  return error instanceof errors.RequestError && !error.isNoResponders();
}
