/** One `subscriptions/listen` stream of a modern server, from its acknowledgement to its end. */

import {
  isFault,
  isSseProblem,
  readAcknowledged,
  readUpstreamMessage,
  SseParser,
  unstampSubscription,
  type Fault,
  type ListenFilter,
  type Reply,
  type UpstreamMessage,
} from '@cruvero/core';
import { isUpstreamFault, type UpstreamResponse } from '@cruvero/ports';
import { noTransport, outageDetail, unavailable, upstreamBroken } from './faults.ts';
import type { Envelope } from './modern.ts';
import { Patience, timerMsMax } from './patience.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';

/** The server does not know the method, or not at this place. */
export type Unheard = 'unsupported';

export class ListenStream {
  /** Resolves with what ended it; never rejects. */
  readonly ended: Promise<Fault>;
  readonly honoured: ListenFilter;
  readonly #peer: Peer;
  readonly #patience: Patience;
  readonly #onNotification: (text: string) => void;

  /** `messages`: what follows the acknowledgement. */
  constructor(
    peer: Peer,
    honoured: ListenFilter,
    messages: Messages,
    patience: Patience,
    onNotification: (text: string) => void,
  ) {
    this.honoured = honoured;
    this.#peer = peer;
    this.#patience = patience;
    this.#onNotification = onNotification;
    this.ended = this.#run(messages);
  }

  /** Closing the connection is how a modern server is told. */
  close(): void {
    this.#patience.giveUp();
  }

  async #run(messages: Messages): Promise<Fault> {
    for (;;) {
      const message = await messages.next();
      const fault = isFault(message) ? message : this.#end(message);
      if (fault === undefined) continue;
      this.#patience.giveUp();
      return fault;
    }
  }

  /** Passes the message on; the fault where the server has said the last word. */
  #end(message: UpstreamMessage): Fault | undefined {
    if (message.kind === 'notification' && message.method !== 'notifications/cancelled') {
      this.#onNotification(unstampSubscription(message.text));
      return undefined;
    }
    return message.kind === 'request'
      ? undefined
      : upstreamBroken(this.#peer, 'it has ended the subscription');
  }
}

export interface Opening {
  readonly peer: Peer;
  readonly envelope: Envelope;
  /** Of the request, as JSON text. */
  readonly idText: string;
  /** Ends only the opening. */
  readonly signal: AbortSignal;
  readonly bounds: LinkBounds;
  readonly ports: LinkPorts;
  readonly onNotification: (text: string) => void;
}

/** Opens one; the acknowledgement must come within the bound. An error reply is the server's own. */
export async function openListenStream(opening: Opening): Promise<ListenStream | Reply | Fault | Unheard> {
  const { peer, envelope, signal, bounds, ports } = opening;
  const upstream = ports.upstreams[peer.instance.transport];
  if (!upstream) return noTransport(peer);
  const patience = new Patience(signal, ports.clock, { timeoutMs: bounds.timeoutMs, wholeMs: undefined });
  patience.wait();
  const response = await upstream.exchange({
    httpMethod: 'POST',
    endpoint: peer.instance.endpoint,
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...envelope.headers,
    },
    body: envelope.body,
    signal: patience.signal,
    timeoutMs: timerMsMax,
    bytesMax: bounds.answerBytesMax,
  });
  const opened = isUpstreamFault(response)
    ? patience.faultOf(response, peer.server)
    : await acknowledged(opening, response, patience);
  patience.end();
  if (!(opened instanceof ListenStream)) patience.giveUp();
  return opened;
}

async function acknowledged(
  { peer, idText, bounds, onNotification }: Opening,
  { status, body }: UpstreamResponse,
  patience: Patience,
): Promise<ListenStream | Reply | Fault | Unheard> {
  if (body.kind === 'text') return refused(peer, status, body.text, idText);
  const messages = new Messages(peer, body.chunks, idText, bounds);
  const first = await messages.next();
  if (isFault(first)) return patience.why(peer.server) ?? first;
  const honoured = first.kind === 'notification' ? readAcknowledged(first.text) : undefined;
  if (honoured) return new ListenStream(peer, honoured, messages, patience, onNotification);
  if (first.kind === 'error') return first.code === methodNotFound ? 'unsupported' : first;
  return upstreamBroken(peer, 'its first message is not notifications/subscriptions/acknowledged');
}

function refused(peer: Peer, status: number, text: string, idText: string): Reply | Fault | Unheard {
  const message = text === '' ? undefined : readUpstreamMessage(text, idText);
  if (message?.kind === 'error') return message.code === methodNotFound ? 'unsupported' : message;
  if (status === 404 || status === 405) return 'unsupported';
  const outage = outageDetail(status);
  return outage === undefined
    ? upstreamBroken(peer, `it answered subscriptions/listen with HTTP ${status} and no event stream`)
    : unavailable(peer, outage, true);
}

const methodNotFound = -32601;

/** The messages of one stream, one by one; a fault is the last. */
class Messages {
  readonly #peer: Peer;
  readonly #iterator: AsyncIterator<string>;
  readonly #parser: SseParser;
  readonly #idText: string;
  readonly #waiting: string[] = [];

  constructor(peer: Peer, chunks: AsyncIterable<string>, idText: string, bounds: LinkBounds) {
    this.#peer = peer;
    this.#iterator = chunks[Symbol.asyncIterator]();
    this.#parser = new SseParser(bounds.answerBytesMax);
    this.#idText = idText;
  }

  async next(): Promise<UpstreamMessage | Fault> {
    for (;;) {
      const data = this.#waiting.shift();
      if (data !== undefined) return this.#read(data);
      const fault = await this.#fill();
      if (fault) return fault;
    }
  }

  #read(data: string): UpstreamMessage | Fault {
    const message = readUpstreamMessage(data, this.#idText);
    return message.kind === 'garbage' ? upstreamBroken(this.#peer, message.detail) : message;
  }

  async #fill(): Promise<Fault | undefined> {
    try {
      const next = await this.#iterator.next();
      if (next.done === true) return upstreamBroken(this.#peer, 'its event stream ended');
      const events = this.#parser.feed(next.value);
      if (isSseProblem(events)) return upstreamBroken(this.#peer, events.problem);
      for (const { data } of events) if (data !== '') this.#waiting.push(data);
      return undefined;
    } catch (thrown) {
      return upstreamBroken(this.#peer, thrown instanceof Error ? thrown.message : 'its event stream broke');
    }
  }
}
