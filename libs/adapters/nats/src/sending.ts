/** Publishing and asking: at once or a fault, never a queue that grows while the server does not read. */

import { jetstream } from '@nats-io/jetstream';
import type { Msg, NatsConnection } from '@nats-io/transport-node';

import type { Json } from '@cruvero/core';
import { isJsonObject } from '@cruvero/core';
import type { BusFault } from '@cruvero/ports';
import { isSubject, messageBytesMax } from '@cruvero/ports';

import { busError, disconnected, tooLarge, toFault } from './faults.ts';
import type { NatsLink } from './link.ts';
import { answerHeader, readBody } from './listening.ts';

/** How long a stream may take to store. */
const storeMsMax = 5_000;
/** Sent and not yet known to have been read by the server. */
const unreadBytesMax = 16 << 20;
/** After this much the server is asked whether it still reads. */
const askAfterBytes = 1 << 20;

export class Sender {
  readonly #link: NatsLink;
  #unreadBytes = 0;
  #asking = false;

  constructor(link: NatsLink) {
    this.#link = link;
    // What a lost session had not read is lost: that is at-most-once.
    link.onSession(() => {
      this.#unreadBytes = 0;
      this.#asking = false;
    });
  }

  publish(subject: string, body: Json): BusFault | undefined {
    const ready = this.#ready(subject, body);
    if ('fault' in ready) return ready;
    try {
      ready.session.publish(subject, ready.text);
      return undefined;
    } catch (error) {
      return toFault(error, subject);
    }
  }

  async publishStored(subject: string, body: Json, messageId: string): Promise<BusFault | undefined> {
    const ready = this.#ready(subject, body);
    if ('fault' in ready) return ready;
    try {
      const options = { msgID: messageId, timeout: storeMsMax };
      const stored: { stream?: unknown } = await jetstream(ready.session).publish(
        subject,
        ready.text,
        options,
      );
      if (typeof stored.stream === 'string') return undefined;
      return busError(`somebody else than a stream answered on ${subject}`);
    } catch (error) {
      return this.#fault(error, subject, ready.session);
    }
  }

  async request(subject: string, body: Json, timeoutMs: number): Promise<{ readonly body: Json } | BusFault> {
    const ready = this.#ready(subject, body);
    if ('fault' in ready) return ready;
    try {
      const timeout = Math.max(1, Math.floor(timeoutMs));
      return readAnswer(subject, await ready.session.request(subject, ready.text, { timeout }));
    } catch (error) {
      const fault = this.#fault(error, subject, ready.session);
      if (fault.fault !== 'bus_timeout') return fault;
      return { ...fault, detail: `no answer on ${subject} within ${timeoutMs} ms` };
    }
  }

  /** An error of a session that has ended says only that. */
  #fault(error: unknown, subject: string, session: NatsConnection): BusFault {
    return session.isClosed() ? disconnected : toFault(error, subject);
  }

  #ready(
    subject: string,
    body: Json,
  ): { readonly session: NatsConnection; readonly text: string } | BusFault {
    const { session } = this.#link;
    if (!session) return disconnected;
    if (!isSubject(subject)) return busError(`${JSON.stringify(subject)} is no subject`);
    const text = JSON.stringify(body);
    const bytes = Buffer.byteLength(text);
    const bytesMax = Math.min(messageBytesMax, session.info?.max_payload ?? messageBytesMax);
    if (bytes > bytesMax) return tooLarge(subject, bytes, bytesMax);
    if (this.#unreadBytes + bytes > unreadBytesMax) return busError('NATS does not read what it is sent');
    this.#unreadBytes += bytes;
    if (this.#unreadBytes > askAfterBytes) this.#ask(session);
    return { session, text };
  }

  /** A pong says that everything sent before it was read. */
  #ask(session: NatsConnection): void {
    if (this.#asking) return;
    this.#asking = true;
    const sentBytes = this.#unreadBytes;
    session.flush().then(
      () => {
        if (session !== this.#link.session) return;
        this.#asking = false;
        this.#unreadBytes -= sentBytes;
      },
      () => undefined,
    );
  }
}

function readAnswer(subject: string, answer: Msg): { readonly body: Json } | BusFault {
  const mark = answer.headers?.get(answerHeader);
  if (mark === 'failed') return busError(`the responder on ${subject} failed`);
  if (mark === 'too_large') return busError(`the answer on ${subject} is too large`);
  const read = readBody(answer);
  if (!read) return busError(`the answer on ${subject} is not JSON`);
  if (!mark && isJsonObject(read.body) && 'stream' in read.body && 'seq' in read.body) {
    return busError(`a stream covers ${subject}: it answered instead`);
  }
  return read;
}
