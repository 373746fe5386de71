/** Plain subscriptions and responders: kept across sessions, one inbox each, what is not JSON is dropped and counted. */

import type { Msg, NatsConnection, Subscription as NatsSubscription } from '@nats-io/transport-node';
import { headers } from '@nats-io/transport-node';

import type { Json } from '@cruvero/core';
import type { BusMessage, CounterMetric, Subscription } from '@cruvero/ports';
import { Inbox, isSubjectPattern, messageBytesMax } from '@cruvero/ports';

import type { NatsOptions } from './options.ts';
import type { NatsLink } from './link.ts';

/** Responders of one subject share the work under this name. */
const respondersQueue = 'cruvero-responders';
/** Tells an answer of a responder from the acknowledgement of a stream, and a failed one from an answer. */
export const answerHeader = 'Cruvero-Answer';

export type DropReason = 'not_json' | 'slow_subscriber';

export class Drops {
  readonly #options: Pick<NatsOptions, 'log'>;
  readonly #counter: CounterMetric | undefined;
  readonly #told = new Set<string>();

  constructor(options: Pick<NatsOptions, 'log' | 'metrics'>) {
    this.#options = options;
    const help = 'Bus messages that no handler got, by reason';
    this.#counter = options.metrics?.counter('cruvero_bus_dropped_total', help);
  }

  count(reason: DropReason, pattern: string): void {
    this.#counter?.add(1, { reason });
    const key = `${reason} ${pattern}`;
    // The first is worth a line; whoever floods us shall not flood the log.
    if (this.#told.has(key) || this.#told.size >= 1_000) return;
    this.#told.add(key);
    this.#options.log.warn('a bus message was dropped; further ones are only counted', {
      reason,
      subject: pattern,
    });
  }
}

/** The body of a message; undefined where it is not JSON. */
export function readBody(message: { string(): string }): { readonly body: Json } | undefined {
  try {
    return { body: JSON.parse(message.string()) };
  } catch {
    return undefined;
  }
}

interface Received {
  readonly message: BusMessage;
  readonly raw: Msg;
}

interface Listening {
  readonly pattern: string;
  readonly queue?: string;
  readonly inbox: Inbox<Received>;
  native?: NatsSubscription;
}

export class Listeners {
  readonly #link: NatsLink;
  readonly #options: NatsOptions;
  readonly #drops: Drops;
  readonly #all = new Set<Listening>();

  constructor(link: NatsLink, options: NatsOptions, drops: Drops) {
    this.#link = link;
    this.#options = options;
    this.#drops = drops;
    link.onSession((session) => {
      for (const listening of this.#all) this.#attach(session, listening);
    });
  }

  subscribe(pattern: string, handler: (message: BusMessage) => void | Promise<void>): Subscription {
    return this.#listen(pattern, undefined, ({ message }) => handler(message));
  }

  respond(
    pattern: string,
    handler: (message: BusMessage) => Promise<Json>,
    { atOnce = false }: { readonly atOnce?: boolean } = {},
  ): Subscription {
    const respond = async ({ message, raw }: Received): Promise<void> => {
      try {
        answer(raw, JSON.stringify(await handler(message)));
      } catch (error) {
        answer(raw, undefined);
        this.#threw(pattern, error);
      }
    };
    return this.#listen(pattern, respondersQueue, (received) => {
      const responded = respond(received);
      return atOnce ? undefined : responded;
    });
  }

  #listen(
    pattern: string,
    queue: string | undefined,
    handle: (received: Received) => void | Promise<void>,
  ): Subscription {
    if (!isSubjectPattern(pattern))
      throw new TypeError(`${JSON.stringify(pattern)} is no subject to listen on`);
    if (this.#link.closed) return { close: async () => undefined };
    const inbox = new Inbox<Received>(handle, (error) => this.#threw(pattern, error));
    const listening: Listening = { pattern, inbox, ...(queue === undefined ? {} : { queue }) };
    this.#all.add(listening);
    const { session } = this.#link;
    if (session) this.#attach(session, listening);
    return {
      close: async () => {
        inbox.close();
        if (this.#all.delete(listening)) listening.native?.unsubscribe();
      },
    };
  }

  #threw(subject: string, error: unknown): void {
    this.#options.log.warn('a bus handler threw', { subject, error: String(error) });
  }

  #attach(session: NatsConnection, listening: Listening): void {
    const { pattern, queue, inbox } = listening;
    const callback = (error: Error | null, raw: Msg): void => {
      if (error) {
        this.#options.log.warn('a subscription ended', { subject: pattern, error: error.message });
        return;
      }
      const read = readBody(raw);
      if (!read) return this.#drops.count('not_json', pattern);
      const taken = inbox.push({ message: { subject: raw.subject, body: read.body }, raw }, raw.data.length);
      if (!taken) this.#drops.count('slow_subscriber', pattern);
    };
    try {
      listening.native = session.subscribe(pattern, { callback, ...(queue === undefined ? {} : { queue }) });
    } catch (error) {
      // The session is closing; the next one brings a new try.
      this.#options.log.debug('could not subscribe', { subject: pattern, error: String(error) });
    }
  }

  /** Resolves when everything received so far has been handled. */
  async idle(): Promise<void> {
    await Promise.all([...this.#all].map((listening) => listening.inbox.idle()));
  }

  close(): void {
    for (const listening of this.#all) listening.inbox.close();
    this.#all.clear();
  }
}

function answer(raw: Msg, text: string | undefined): void {
  const fits = text !== undefined && Buffer.byteLength(text) < messageBytesMax - 1_024;
  const marks = headers();
  marks.set(answerHeader, fits ? 'ok' : text === undefined ? 'failed' : 'too_large');
  try {
    raw.respond(fits ? text : 'null', { headers: marks });
  } catch {
    // The session ended meanwhile: the one who asked learns it by its timeout.
  }
}
