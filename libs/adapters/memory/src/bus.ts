/** One connection to the memory broker. Never kinder than NATS: it copies, it delivers later, it bounds. */

import type { Json } from '@cruvero/core';
import type {
  Bus,
  BusFault,
  BusMessage,
  BusState,
  ConsumeOptions,
  StreamDefinition,
  Subscription,
} from '@cruvero/ports';
import {
  Inbox,
  isBucketName,
  isBusFault,
  isKeyName,
  isStreamName,
  isSubject,
  isSubjectPattern,
  valueBytesMax,
} from '@cruvero/ports';

import type { Attachment } from './durable.ts';
import type { Envelope } from './envelope.ts';
import { busError, enclose, messageOf } from './envelope.ts';
import type { Switchboard } from './switchboard.ts';

const away: BusFault = { fault: 'bus_disconnected', detail: 'not connected to the broker' };

type Reply = (answer: string | undefined) => void;

export class MemoryBus implements Bus {
  readonly #board: Switchboard;
  readonly #inboxes = new Set<{ idle(): Promise<void> }>();
  readonly #undo = new Set<() => void>();
  readonly #stateListeners = new Set<(state: BusState) => void>();
  #disposed = false;

  constructor(board: Switchboard) {
    this.#board = board;
    this.#undo.add(board.onReach((reachable) => this.#tell(reachable ? 'connected' : 'disconnected')));
  }

  state(): BusState {
    return this.#up ? 'connected' : 'disconnected';
  }

  get #up(): boolean {
    return !this.#disposed && this.#board.reachable;
  }

  onState(listener: (state: BusState) => void): Subscription {
    this.#stateListeners.add(listener);
    return { close: async () => void this.#stateListeners.delete(listener) };
  }

  #tell(state: BusState): void {
    for (const listener of [...this.#stateListeners]) listener(state);
  }

  #enclose(subject: string, body: Json, extraBytes = 0): Envelope | BusFault {
    if (!this.#up) return away;
    if (!isSubject(subject)) return busError(`${JSON.stringify(subject)} is no subject`);
    return enclose(subject, JSON.stringify(body), extraBytes);
  }

  async publish(subject: string, body: Json): Promise<BusFault | undefined> {
    const envelope = this.#enclose(subject, body);
    if (isBusFault(envelope)) return envelope;
    this.#board.publish(envelope);
    return undefined;
  }

  async publishStored(subject: string, body: Json, messageId: string): Promise<BusFault | undefined> {
    const headerBytes = 64 + messageId.length;
    const envelope = this.#enclose(subject, body, headerBytes);
    if (isBusFault(envelope)) return envelope;
    // The acknowledgement comes back no sooner than a server's would.
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#board.publishStored(envelope, messageId)) return undefined;
    return { fault: 'no_stream', detail: `no stream covers ${subject}` };
  }

  subscribe(subject: string, handler: (message: BusMessage) => void | Promise<void>): Subscription {
    return this.#listen<Envelope>(
      subject,
      false,
      (envelope) => handler(messageOf(envelope)),
      (envelope) => envelope,
    );
  }

  respond(
    subject: string,
    handler: (message: BusMessage) => Promise<Json>,
    { atOnce = false }: { readonly atOnce?: boolean } = {},
  ): Subscription {
    const answer = async ({ envelope, reply }: Asked): Promise<void> => {
      try {
        reply?.(JSON.stringify(await handler(messageOf(envelope))));
      } catch (error) {
        reply?.(undefined);
        this.#threw(subject, error);
      }
    };
    const handle = (asked: Asked): void | Promise<void> => {
      const answered = answer(asked);
      return atOnce ? undefined : answered;
    };
    return this.#listen(subject, true, handle, (envelope, reply) => ({ envelope, reply }));
  }

  #listen<T>(
    pattern: string,
    responds: boolean,
    handle: (item: T) => void | Promise<void>,
    item: (envelope: Envelope, reply: Reply | undefined) => T,
  ): Subscription {
    if (!isSubjectPattern(pattern))
      throw new TypeError(`${JSON.stringify(pattern)} is no subject to listen on`);
    if (this.#disposed) return { close: async () => undefined };
    const inbox = new Inbox<T>(handle, (error) => this.#threw(pattern, error));
    const unlisten = this.#board.listen({
      pattern,
      responds,
      take: (envelope, reply) => {
        if (!inbox.push(item(envelope, reply), envelope.bytes)) this.#dropped(pattern);
      },
    });
    const undo = () => {
      unlisten();
      inbox.close();
      this.#inboxes.delete(inbox);
      this.#undo.delete(undo);
    };
    this.#inboxes.add(inbox);
    this.#undo.add(undo);
    return { close: async () => undo() };
  }

  #threw(subject: string, error: unknown): void {
    this.#board.log?.warn('a bus handler threw', { subject, error: String(error) });
  }

  #dropped(subject: string): void {
    this.#board.log?.warn('a bus message was dropped: the subscriber is too slow', { subject });
  }

  async ensureStream(definition: StreamDefinition): Promise<BusFault | undefined> {
    return this.#up ? this.#board.ensureStream(definition) : away;
  }

  async consume(
    options: ConsumeOptions,
    handler: (message: BusMessage) => Promise<void>,
  ): Promise<Subscription | BusFault> {
    const refusal = refuseConsume(options);
    if (refusal) return refusal;
    if (this.#disposed) return away;
    const attachment: Attachment = {
      handle: handler,
      reachable: () => this.#up,
      onThrow: (error) => this.#threw(options.subject, error),
      busy: false,
    };
    const detach = this.#board.attach(options, attachment);
    if (!detach) return { fault: 'no_stream', detail: `there is no stream ${options.stream}` };
    this.#undo.add(detach);
    return {
      close: async () => {
        detach();
        this.#undo.delete(detach);
      },
    };
  }

  async request(subject: string, body: Json, timeoutMs: number): Promise<{ readonly body: Json } | BusFault> {
    const envelope = this.#enclose(subject, body);
    if (isBusFault(envelope)) return envelope;
    if (this.#board.covers(subject)) return busError(`a stream covers ${subject}: it would answer instead`);
    return await new Promise((resolve) => {
      const late = () =>
        resolve({ fault: 'bus_timeout', detail: `no answer on ${subject} within ${timeoutMs} ms` });
      const timer = this.#board.clock.after(timeoutMs, late);
      const reply: Reply = (text) =>
        void setImmediate(() => {
          timer.cancel();
          resolve(readAnswer(subject, text));
        });
      if (this.#board.ask(envelope, reply)) return;
      timer.cancel();
      resolve({ fault: 'no_responder', detail: `nobody answers on ${subject}` });
    });
  }

  async putValue(bucket: string, key: string, value: string): Promise<BusFault | undefined> {
    const refusal = this.#refuseKey(bucket, key);
    if (refusal) return refusal;
    const bytes = Buffer.byteLength(value);
    if (bytes > valueBytesMax) {
      return {
        fault: 'message_too_large',
        detail: `${bytes} bytes under ${key}, at most ${valueBytesMax} are kept`,
      };
    }
    return this.#board.putValue(`${bucket}/${key}`, value);
  }

  async getValue(bucket: string, key: string): Promise<{ readonly value: string | undefined } | BusFault> {
    return this.#refuseKey(bucket, key) ?? { value: this.#board.getValue(`${bucket}/${key}`) };
  }

  async deleteValue(bucket: string, key: string): Promise<BusFault | undefined> {
    const refusal = this.#refuseKey(bucket, key);
    if (!refusal) this.#board.deleteValue(`${bucket}/${key}`);
    return refusal;
  }

  #refuseKey(bucket: string, key: string): BusFault | undefined {
    if (!this.#up) return away;
    if (!isBucketName(bucket)) return busError(`${JSON.stringify(bucket)} is no bucket name`);
    return isKeyName(key) ? undefined : busError(`${JSON.stringify(key)} is no key`);
  }

  async flush(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    await Promise.all([...this.#inboxes].map((inbox) => inbox.idle()));
  }

  /** Handlers that run now are not waited for: a message in hand goes to the next who consumes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const undo of [...this.#undo]) undo();
    this.#undo.clear();
    this.#tell('disconnected');
    this.#stateListeners.clear();
  }
}

function refuseConsume(options: ConsumeOptions): BusFault | undefined {
  if (!isStreamName(options.stream)) return busError(`${JSON.stringify(options.stream)} is no stream name`);
  if (!isStreamName(options.durable))
    return busError(`${JSON.stringify(options.durable)} is no durable name`);
  if (!isSubjectPattern(options.subject)) return busError(`${JSON.stringify(options.subject)} is no subject`);
  if (!(options.ackWaitMs >= 1)) return busError('ackWaitMs must be at least 1');
  return options.deliveriesMax >= 1 ? undefined : busError('deliveriesMax must be at least 1');
}

function readAnswer(subject: string, text: string | undefined): { readonly body: Json } | BusFault {
  if (text === undefined) return busError(`the responder on ${subject} failed`);
  const envelope = enclose(subject, text);
  return isBusFault(envelope)
    ? busError(`the answer on ${subject} is too large`)
    : { body: JSON.parse(text) };
}

interface Asked {
  readonly envelope: Envelope;
  readonly reply: Reply | undefined;
}
