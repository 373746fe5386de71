/** A stream in memory: messages with sequences, bounded by age and by bytes, each message id once. */

import type { StreamDefinition } from '@cruvero/ports';
import { duplicateWindowMs, subjectMatches } from '@cruvero/ports';

export interface StoredMessage {
  readonly sequence: number;
  readonly subject: string;
  /** JSON text: each receiver parses its own copy. */
  readonly text: string;
  readonly bytes: number;
  readonly atMs: number;
}

/** What a stored message costs besides its text, about as on a NATS server's disk. */
const overheadBytes = 64;
const messageIdsMax = 1_000_000;

export class MemoryStream {
  #definition: StreamDefinition;
  #lastSequence = 0;
  #bytes = 0;
  /** Oldest first: sequences only grow. */
  readonly #messages = new Map<number, StoredMessage>();
  readonly #messageIds = new Map<string, number>();

  constructor(definition: StreamDefinition) {
    this.#definition = definition;
  }

  get definition(): StreamDefinition {
    return this.#definition;
  }

  redefine(definition: StreamDefinition, nowMs: number): void {
    this.#definition = definition;
    this.#trim(nowMs);
  }

  covers(subject: string): boolean {
    return this.#definition.subjects.some((pattern) => subjectMatches(pattern, subject));
  }

  /** False where the message id was seen within the duplicate window: nothing is stored again. */
  append(subject: string, text: string, messageId: string | undefined, nowMs: number): boolean {
    if (messageId !== undefined && !this.#firstSight(messageId, nowMs)) return false;
    const bytes = Buffer.byteLength(text) + subject.length + overheadBytes;
    this.#lastSequence += 1;
    this.#messages.set(this.#lastSequence, {
      sequence: this.#lastSequence,
      subject,
      text,
      bytes,
      atMs: nowMs,
    });
    this.#bytes += bytes;
    this.#trim(nowMs);
    return true;
  }

  /** The first message at or after `sequence` that matches. */
  next(sequence: number, pattern: string, nowMs: number): StoredMessage | undefined {
    this.#trim(nowMs);
    const first = this.#messages.keys().next().value ?? this.#lastSequence + 1;
    for (let at = Math.max(sequence, first); at <= this.#lastSequence; at += 1) {
      const message = this.#messages.get(at);
      if (message && subjectMatches(pattern, message.subject)) return message;
    }
    return undefined;
  }

  holds(sequence: number, nowMs: number): boolean {
    this.#trim(nowMs);
    return this.#messages.has(sequence);
  }

  #firstSight(messageId: string, nowMs: number): boolean {
    const windowMs = Math.min(duplicateWindowMs, this.#definition.ageMaxMs);
    for (const [id, seenMs] of this.#messageIds) {
      if (nowMs - seenMs < windowMs && this.#messageIds.size < messageIdsMax) break;
      this.#messageIds.delete(id);
    }
    if (this.#messageIds.has(messageId)) return false;
    this.#messageIds.set(messageId, nowMs);
    return true;
  }

  #trim(nowMs: number): void {
    for (const [sequence, message] of this.#messages) {
      const tooOld = nowMs - message.atMs >= this.#definition.ageMaxMs;
      if (!tooOld && this.#bytes <= this.#definition.bytesMax) return;
      this.#messages.delete(sequence);
      this.#bytes -= message.bytes;
    }
  }
}
