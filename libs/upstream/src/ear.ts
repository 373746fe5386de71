/** The GET stream of one legacy session: what the server says outside of any POST; opened again when it breaks. */

import {
  isFault,
  isSseProblem,
  readUpstreamMessage,
  requestText,
  SseParser,
  type Fault,
} from '@cruvero/core';
import { isUpstreamFault } from '@cruvero/ports';
import { backoffMs, pause } from './backoff.ts';
import { post, type ServerNotification, type ServerRequest } from './exchange.ts';
import { coreFault, noTransport, outageDetail, unavailable, upstreamBroken } from './faults.ts';
import { timerMsMax } from './patience.ts';
import type { LinkBounds, LinkPorts, Peer } from './peer.ts';
import { Place, type Chunks } from './resume.ts';
import { isGone, sessionHeaders, type Session } from './session.ts';

export interface EarEvents {
  onNotification(notification: ServerNotification): void;
  onRequest(request: ServerRequest): void;
  /** `missed`: it was open before, and nothing tells what was said meanwhile. */
  onOpen(missed: boolean): void;
  /** It is tried again. */
  onWaiting(fault: Fault): void;
  /** The server has no such stream; it is not asked again. */
  onNone(): void;
  /** The server does not know the session any more. */
  onGone(): void;
  /** Whether it matters if the session is still known. */
  cares(): boolean;
}

/** A stream that lived so long was good; the next one is opened without much delay. */
const goodAfterMs = 5_000;

type Opened = { readonly chunks: Chunks } | 'none' | 'gone' | Fault;

export class Ear {
  readonly #peer: Peer;
  readonly #session: Session;
  readonly #bounds: LinkBounds;
  readonly #ports: LinkPorts;
  readonly #events: EarEvents;
  readonly #end = new AbortController();
  /** Of the stream that is open, or being opened. */
  #stream = new AbortController();
  #place = new Place();
  #open = false;
  #everOpen = false;

  constructor(peer: Peer, session: Session, bounds: LinkBounds, ports: LinkPorts, events: EarEvents) {
    this.#peer = peer;
    this.#session = session;
    this.#bounds = bounds;
    this.#ports = ports;
    this.#events = events;
  }

  get open(): boolean {
    return this.#open;
  }

  close(): void {
    this.#end.abort();
    this.#stream.abort();
  }

  /** Until it is closed, or of no use any more. */
  async run(): Promise<void> {
    const { clock, random } = this.#ports;
    const { signal } = this.#end;
    for (let failures = 0; !signal.aborted; failures += 1) {
      const resumed = this.#place.lastId !== undefined;
      const opened = await this.#ask();
      if (signal.aborted) return;
      if (opened === 'none') return this.#events.onNone();
      if (opened === 'gone') return this.#events.onGone();
      if (isFault(opened)) this.#events.onWaiting(opened);
      else {
        const sinceMs = clock.monotonicMs();
        await this.#listen(opened.chunks, this.#everOpen && !resumed);
        if (clock.monotonicMs() - sinceMs >= goodAfterMs) failures = 0;
      }
      await pause(Math.max(this.#place.retryMs ?? 0, backoffMs(failures, random)), clock, signal);
    }
  }

  /** Servers may send the head only with the first event, so that a late one is told but waited for. */
  async #ask(): Promise<Opened> {
    const peer = this.#peer;
    const { clock, upstreams } = this.#ports;
    const { timeoutMs, answerBytesMax } = this.#bounds;
    const upstream = upstreams[peer.instance.transport];
    if (!upstream) return noTransport(peer);
    const { lastId } = this.#place;
    this.#stream = new AbortController();
    const late = clock.after(timeoutMs, () =>
      this.#events.onWaiting({ fault: 'upstream_timeout', server: peer.server, timeoutMs }),
    );
    const response = await upstream.exchange({
      httpMethod: 'GET',
      endpoint: peer.instance.endpoint,
      headers: {
        ...sessionHeaders(this.#session),
        accept: 'text/event-stream',
        ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      },
      signal: this.#stream.signal,
      timeoutMs: timerMsMax,
      bytesMax: answerBytesMax,
    });
    late.cancel();
    if (isUpstreamFault(response)) return coreFault(response, peer.server, timerMsMax);
    if (response.status === 200 && response.body.kind === 'stream') return { chunks: response.body.chunks };
    return this.#refused(response.status);
  }

  async #refused(status: number): Promise<Opened> {
    const outage = outageDetail(status);
    if (outage !== undefined) return unavailable(this.#peer, outage, true);
    // the stream of another reader may not have ended yet
    if (status === 409) return upstreamBroken(this.#peer, 'it says that the session is listened to already');
    if (status !== 404 && status !== 400) return 'none';
    // an id that it does not want to go on from
    const tried = this.#place.lastId !== undefined;
    this.#place = new Place();
    if (!this.#everOpen && !this.#events.cares()) return 'none';
    const known = await this.#stillKnown();
    if (known !== true) return known === false ? 'gone' : known;
    return tried ? upstreamBroken(this.#peer, `it answers HTTP ${status}`) : 'none';
  }

  /** A server answers 404 and 400 also for a path that it does not serve. */
  async #stillKnown(): Promise<boolean | Fault> {
    const answered = await post(
      this.#peer,
      {
        body: requestText('"known"', 'ping', '{}'),
        headers: sessionHeaders(this.#session),
        idText: '"known"',
        signal: this.#end.signal,
        wholeMs: this.#bounds.timeoutMs,
      },
      this.#bounds,
      this.#ports,
    );
    return isFault(answered) ? answered : !isGone(this.#session, answered);
  }

  async #listen(chunks: Chunks, missed: boolean): Promise<void> {
    this.#open = true;
    this.#everOpen = true;
    this.#events.onOpen(missed);
    const detail = await this.#read(chunks);
    this.#open = false;
    if (!this.#end.signal.aborted) this.#events.onWaiting(upstreamBroken(this.#peer, detail));
  }

  /** What ended the stream. */
  async #read(chunks: Chunks): Promise<string> {
    const parser = new SseParser(this.#bounds.answerBytesMax);
    const iterator = chunks[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return 'its event stream ended';
        const problem = this.#end.signal.aborted ? 'closed' : this.#take(parser.feed(next.value));
        this.#place.stands(parser.lastEventId);
        if (problem === undefined) continue;
        this.#stream.abort();
        return problem;
      }
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : 'its event stream broke';
    }
  }

  #take(events: ReturnType<SseParser['feed']>): string | undefined {
    if (isSseProblem(events)) return events.problem;
    for (const event of events) {
      this.#place.took(event);
      if (event.data === '') continue;
      const message = readUpstreamMessage(event.data, '');
      if (message.kind === 'garbage') return message.detail;
      if (message.kind === 'notification') this.#events.onNotification(message);
      else if (message.kind === 'request') this.#events.onRequest(message);
    }
    return undefined;
  }
}
