/** Reads a batch of messages (JSON-RPC 2.0 §6), which only MCP 2025-03-26 has. */

import { isFault, type Fault } from '../model/fault.ts';
import { arrayElements, isArrayAt, isJsonProblem, textOf, wholeValue } from '../wire/json-spans.ts';
import { readMessage, type Message } from './message.ts';

const bad = (detail: string): Fault => ({ fault: 'bad_request', detail });

/**
 * The messages of a JSON array, each judged by itself: one that is wrong does not spoil the others. A fault where the text
 * is no array, is empty, or has more than `max` elements.
 */
export function readBatch(text: string, max: number): readonly (Message | Fault)[] | Fault {
  const whole = wholeValue(text);
  if (isJsonProblem(whole))
    return { fault: 'bad_json', detail: `${whole.problem} (at character ${whole.at})` };
  if (!isArrayAt(text, whole)) return bad('A batch is an array of messages.');
  const elements = arrayElements(text, whole.start);
  if (isJsonProblem(elements)) return bad(`The batch cannot be read: ${elements.problem}.`);
  if (elements.length === 0) return bad('A batch holds at least one message.');
  if (elements.length > max)
    return bad(`A batch holds at most ${max} messages; this one has ${elements.length}.`);
  return elements.map((span) => readElement(textOf(text, span)));
}

function readElement(text: string): Message | Fault {
  const message = readMessage(text);
  return isFault(message) && message.fault === 'batch_refused'
    ? bad('A batch holds messages, not batches.')
    : message;
}
