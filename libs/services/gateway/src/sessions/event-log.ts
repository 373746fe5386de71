/**
 * Events of one session that its client may ask for again by Last-Event-ID after a connection broke (MCP 2025-11-25, Streamable
 * HTTP, "Resumability and Redelivery").
 */

import type { ServerResponse } from 'node:http';
import { encodeSse } from '@cruvero/core';

/** Kept of one session, all its streams together; the oldest go first. */
const keptBytesMax = 512 << 10;
const keptEventsMax = 512;
/** After its end a stream can be asked for so long. */
const endedKeptMs = 60_000;
/** A client that does not read has so much kept in its socket, then the connection is closed; it may come back and resume. */
const unreadBytesMax = 1 << 20;

interface Event {
  readonly seq: number;
  readonly text: string;
}

export class EventLog {
  /** Tells the events of this replica's boot from those of another. */
  readonly #tag: string;
  readonly #streams = new Map<number, LoggedStream>();
  #next = 1;

  constructor(tag: string) {
    this.#tag = tag;
  }

  /** A new stream whose events go to `response` and are kept besides. The response has its headers already. */
  open(response: ServerResponse, of: LoggedStream['of']): LoggedStream {
    const number = this.#next++;
    const stream = new LoggedStream(`${this.#tag}.${number}.`, of, response);
    this.#streams.set(number, stream);
    this.#makeRoom();
    return stream;
  }

  /** The stream that holds this event, and how far its reader was; undefined where nothing of it is known here. */
  find(lastEventId: string): { readonly stream: LoggedStream; readonly afterSeq: number } | undefined {
    const [tag, number, seq, ...rest] = lastEventId.split('.');
    if (tag !== this.#tag || rest.length > 0) return undefined;
    const stream = this.#streams.get(Number(number));
    const afterSeq = Number(seq);
    return stream && Number.isSafeInteger(afterSeq) && stream.holdsAfter(afterSeq)
      ? { stream, afterSeq }
      : undefined;
  }

  /** Forgets streams that ended a while ago. */
  sweep(nowMs: number): void {
    for (const [number, stream] of this.#streams) {
      if (stream.isOver(nowMs)) this.#streams.delete(number);
    }
    this.#makeRoom();
  }

  #makeRoom(): void {
    let bytes = 0;
    let events = 0;
    for (const stream of this.#streams.values()) {
      bytes += stream.bytes;
      events += stream.count;
    }
    for (const stream of this.#streams.values()) {
      while ((bytes > keptBytesMax || events > keptEventsMax) && stream.count > 0) {
        bytes -= stream.forgetOldest();
        events -= 1;
      }
    }
  }
}

export class LoggedStream {
  /** One call's answer, which goes on wherever its reader is; or the session's own stream, which its next GET takes over. */
  readonly of: 'call' | 'session';
  readonly #idHead: string;
  readonly #events: Event[] = [];
  #response: ServerResponse | undefined;
  #seq = 0;
  #forgottenSeq = 0;
  #ended = false;
  #endedAtMs: number | undefined;
  bytes = 0;

  constructor(idHead: string, of: 'call' | 'session', response: ServerResponse) {
    this.#idHead = idHead;
    this.of = of;
    this.#attach(response);
  }

  get count(): number {
    return this.#events.length;
  }

  /** Bytes that its reader has not taken yet. */
  get unreadBytes(): number {
    return this.#response?.writableLength ?? 0;
  }

  /** Id of an event that is no message: where a client may come back to (priming). */
  primingId(): string {
    return `${this.#idHead}0`;
  }

  write(text: string): void {
    if (this.#ended) return;
    const event = { seq: ++this.#seq, text };
    this.#events.push(event);
    this.bytes += text.length;
    while (this.bytes > keptBytesMax && this.#events.length > 1) this.forgetOldest();
    this.#put(event);
  }

  /** The last event was written; the connection is closed when it is through. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#response?.end();
  }

  /** True while every event behind `seq` is still kept. */
  holdsAfter(seq: number): boolean {
    return seq >= this.#forgottenSeq && seq <= this.#seq;
  }

  /** Messages behind `seq`, in order. */
  after(seq: number): readonly string[] {
    return this.#events.filter((event) => event.seq > seq).map(({ text }) => text);
  }

  /** Writes what came behind `afterSeq`, and goes on there. An older connection is closed. */
  resume(response: ServerResponse, afterSeq: number): void {
    this.#response?.end();
    this.#attach(response);
    for (const event of this.#events) if (event.seq > afterSeq) this.#put(event);
    if (this.#ended) response.end();
  }

  /** Returns the bytes that are free now. */
  forgetOldest(): number {
    const event = this.#events.shift();
    if (!event) return 0;
    this.#forgottenSeq = event.seq;
    this.bytes -= event.text.length;
    return event.text.length;
  }

  isOver(nowMs: number): boolean {
    if (!this.#ended) return false;
    this.#endedAtMs ??= nowMs;
    return nowMs - this.#endedAtMs >= endedKeptMs;
  }

  #attach(response: ServerResponse): void {
    this.#response = response;
    response.once('close', () => {
      if (this.#response === response) this.#response = undefined;
    });
  }

  #put(event: Event): void {
    const response = this.#response;
    if (!response || response.destroyed || response.writableEnded) return;
    if (response.writableLength > unreadBytesMax) response.destroy();
    else response.write(encodeSse(event.text, 'message', `${this.#idHead}${event.seq}`));
  }
}
