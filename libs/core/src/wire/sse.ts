/** Server-sent events, incrementally: chunks may be cut anywhere (WHATWG HTML, "Server-sent events"). */

export interface SseEvent {
  readonly event: string;
  readonly data: string;
  /** The id to resume after; it lasts until another one comes. */
  readonly id?: string;
  /** How long to wait before connecting again, where the server has said so since the last event. */
  readonly retryMs?: number;
}

export interface SseProblem {
  readonly problem: string;
}

/** Holds what has come of the next event. Feed it text; it hands out whole events. */
export class SseParser {
  #line = '';
  #afterCr = false;
  #first = true;
  #data: string[] = [];
  #dataLength = 0;
  #event = '';
  #id: string | undefined;
  /** Of the last event that was whole, even one without data. */
  #lastId: string | undefined;
  #retryMs: number | undefined;
  readonly #eventCharsMax: number;

  /** An event longer than `eventCharsMax` characters is a problem: memory must have a bound. */
  constructor(eventCharsMax: number) {
    this.#eventCharsMax = eventCharsMax;
  }

  /** The id to resume after: the last that came, with or without an event (WHATWG "last event ID"). */
  get lastEventId(): string | undefined {
    return this.#lastId;
  }

  /** The events that this chunk completes. After a problem the stream cannot be read on. */
  feed(chunk: string): readonly SseEvent[] | SseProblem {
    const events: SseEvent[] = [];
    const text = this.#withoutMark(chunk);
    let from = 0;
    if (this.#afterCr && text !== '') {
      this.#afterCr = false;
      if (text.charCodeAt(0) === 10) from = 1;
    }
    // Each is looked for anew only once it is passed: text with one kind of break is not searched for the other at each.
    let cr = text.indexOf('\r', from);
    let lf = text.indexOf('\n', from);
    for (;;) {
      if (cr >= 0 && cr < from) cr = text.indexOf('\r', from);
      if (lf >= 0 && lf < from) lf = text.indexOf('\n', from);
      const end = cr < 0 || (lf >= 0 && lf < cr) ? lf : cr;
      if (end < 0) break;
      const line = this.#line + text.slice(from, end);
      if (line.length + this.#dataLength > this.#eventCharsMax) return this.#tooLong();
      this.#line = '';
      this.#take(line, events);
      from = end + 1;
      if (end === cr) {
        if (from >= text.length) this.#afterCr = true;
        else if (text.charCodeAt(from) === 10) from += 1;
      }
    }
    this.#line += text.slice(from);
    return this.#line.length + this.#dataLength > this.#eventCharsMax ? this.#tooLong() : events;
  }

  #withoutMark(chunk: string): string {
    if (!this.#first || chunk === '') return chunk;
    this.#first = false;
    return chunk.charCodeAt(0) === 0xfeff ? chunk.slice(1) : chunk;
  }

  #tooLong(): SseProblem {
    return { problem: `an event is longer than ${this.#eventCharsMax} characters` };
  }

  #take(line: string, events: SseEvent[]): void {
    if (line === '') return this.#dispatch(events);
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.charCodeAt(0) === 32) value = value.slice(1);
    if (field === 'data') {
      this.#data.push(value);
      // The line break counts too: lines without data must not add up to something without bound.
      this.#dataLength += value.length + 1;
    } else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) this.#retryMs = Number(value);
  }

  #dispatch(events: SseEvent[]): void {
    this.#lastId = this.#id;
    if (this.#data.length > 0) {
      events.push({
        event: this.#event === '' ? 'message' : this.#event,
        data: this.#data.length === 1 ? (this.#data[0] ?? '') : this.#data.join('\n'),
        ...(this.#id === undefined ? {} : { id: this.#id }),
        ...(this.#retryMs === undefined ? {} : { retryMs: this.#retryMs }),
      });
    }
    if (this.#data.length > 0) this.#retryMs = undefined;
    this.#data = [];
    this.#dataLength = 0;
    this.#event = '';
  }
}

export function isSseProblem(value: readonly SseEvent[] | SseProblem): value is SseProblem {
  return !Array.isArray(value);
}

/**
 * One event as text. Line breaks inside `data` are legal JSON white space only, so they become several data lines. `event`
 * and `id` have no line breaks; `retryMs` is what the client should wait before it connects again.
 */
export function encodeSse(data: string, event?: string, id?: string, retryMs?: number): string {
  const lines = /[\r\n]/.test(data) ? data.split(/\r\n|\r|\n/).join('\ndata: ') : data;
  const head = `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}`;
  return `${head}${retryMs === undefined ? '' : `retry: ${retryMs}\n`}data: ${lines}\n\n`;
}

/** The first event of a stream that can be resumed: an id to resume from, and no data (MCP 2025-11-25, "Resumability"). */
export function ssePriming(id: string, retryMs?: number): string {
  return encodeSse('', undefined, id, retryMs);
}

/** A comment: keeps the connection open through proxies, and clients ignore it. */
export const sseKeepAlive = ': keep-alive\n\n';
