/** Goes on with an event stream that ended too early, behind the last event that came (MCP 2025-11-25, "Resumability"). */

import type { SseEvent } from '@cruvero/core';
import { isUpstreamFault } from '@cruvero/ports';
import { backoffMs, pause } from './backoff.ts';
import { timerMsMax, type Patience } from './patience.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';

export type Chunks = AsyncIterable<string>;

/** Failed tries, and streams that brought nothing, in a row. */
const barrenMax = 4;
/** A server may close its streams on purpose, to be asked again and again, but not for ever. */
const resumesMax = 1_000;
/** However hasty the server is. */
const waitMsMin = 50;
/** An id is the server's own text and becomes a header. */
const idPattern = /^[\x21-\x7e]{1,1024}$/;

/** Remembers where a stream stands; a place without ids has nothing to go on from. */
export class Place {
  #lastId: string | undefined;
  #retryMs: number | undefined;

  took(event: SseEvent): void {
    if (event.id !== undefined) this.#lastId = idPattern.test(event.id) ? event.id : undefined;
    if (event.retryMs !== undefined) this.#retryMs = event.retryMs;
  }

  /** Where the server only said an id: an event without data is none (WHATWG HTML, "Server-sent events"). */
  stands(lastEventId: string | undefined): void {
    if (lastEventId !== undefined) this.took({ event: '', data: '', id: lastEventId });
  }

  get lastId(): string | undefined {
    return this.#lastId;
  }

  /** What the server wants one to wait; undefined where it said nothing. */
  get retryMs(): number | undefined {
    return this.#retryMs;
  }
}

interface Resumed {
  readonly peer: Peer;
  readonly bounds: LinkBounds;
  readonly ports: LinkPorts;
  readonly patience: Patience;
}

/** The streams of one exchange, each going on where the last one ended; within the patience of the exchange. */
export class Resumption {
  readonly #exchange: Resumed;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #place = new Place();
  #barren = 0;
  #resumes = 0;

  /** `headers` as they went with the request. */
  constructor(exchange: Resumed, headers: Readonly<Record<string, string>>) {
    this.#exchange = exchange;
    this.#headers = headers;
  }

  took(event: SseEvent): void {
    this.#place.took(event);
    this.#barren = 0;
  }

  stands(lastEventId: string | undefined): void {
    this.#place.stands(lastEventId);
  }

  /** A stream that gave no event an id cannot be gone on with. */
  isPossible(): boolean {
    return this.#place.lastId !== undefined;
  }

  /** The next stream; undefined where there is none to be had, or nobody waits any more. */
  async next(): Promise<Chunks | undefined> {
    const { ports, patience } = this.#exchange;
    while (this.#barren < barrenMax && this.#resumes < resumesMax) {
      const { lastId, retryMs } = this.#place;
      if (lastId === undefined || patience.signal.aborted) return undefined;
      const asked = this.#barren === 0 ? retryMs : undefined;
      const waitMs = asked ?? Math.max(retryMs ?? 0, backoffMs(this.#barren, ports.random));
      this.#barren += 1;
      this.#resumes += 1;
      await pause(Math.max(waitMs, waitMsMin), ports.clock, patience.signal);
      const answer = await this.#open(lastId);
      if (answer !== 'again') return answer;
    }
    return undefined;
  }

  async #open(lastId: string): Promise<Chunks | undefined | 'again'> {
    const { peer, bounds, ports, patience } = this.#exchange;
    if (patience.signal.aborted) return undefined;
    patience.wait();
    const response = await ports.upstreams[peer.instance.transport]?.exchange({
      httpMethod: 'GET',
      endpoint: peer.instance.endpoint,
      headers: { ...this.#headers, accept: 'text/event-stream', 'last-event-id': lastId },
      signal: patience.signal,
      timeoutMs: timerMsMax,
      bytesMax: bounds.answerBytesMax,
    });
    patience.rest();
    if (response === undefined || patience.signal.aborted) return undefined;
    if (isUpstreamFault(response)) return 'again';
    if (response.status === 200 && response.body.kind === 'stream') return response.body.chunks;
    return response.status === 429 || response.status >= 500 ? 'again' : undefined;
  }
}
