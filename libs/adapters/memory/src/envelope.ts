/** A message on its way through the memory broker, and the faults that keep it from leaving. */

import type { BusFault, BusMessage } from '@cruvero/ports';
import { messageBytesMax } from '@cruvero/ports';

/** JSON text, parsed by each receiver for itself. */
export interface Envelope {
  readonly subject: string;
  readonly text: string;
  readonly bytes: number;
}

export function busError(detail: string): BusFault {
  return { fault: 'bus_error', detail };
}

/** Two patterns that some subject would match both. */
export function subjectsOverlap(a: string, b: string): boolean {
  const left = a.split('.');
  const right = b.split('.');
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    const [l, r] = [left[i], right[i]];
    if (l === '>' || r === '>') return true;
    if (l !== '*' && r !== '*' && l !== r) return false;
  }
  return left.length === right.length;
}

/** The text of a body with its size, or the fault of one that is too large. */
export function enclose(subject: string, text: string, extraBytes = 0): Envelope | BusFault {
  const bytes = Buffer.byteLength(text);
  if (bytes + extraBytes > messageBytesMax) {
    return {
      fault: 'message_too_large',
      detail: `${bytes} bytes on ${subject}, at most ${messageBytesMax} are taken`,
    };
  }
  return { subject, text, bytes };
}

export function messageOf(envelope: Envelope): BusMessage {
  return { subject: envelope.subject, body: JSON.parse(envelope.text) };
}
