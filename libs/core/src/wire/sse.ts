/** Server-sent events, incrementally: chunks may be cut anywhere (WHATWG HTML, "Server-sent events"). */

export interface SseEvent {
  readonly event: string;
  readonly data: string;
  readonly id?: string;
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
  #retryMs: number | undefined;
  readonly #eventCharsMax: number;

  /** An event longer than `eventCharsMax` characters is a problem: memory must have a bound. */
  constructor(eventCharsMax: number) {
    this.#eventCharsMax = eventCharsMax;
  }

  /** The events that this chunk completes. */
  feed(chunk: string): readonly SseEvent[] | SseProblem {
    const events: SseEvent[] = [];
    let text = chunk;
    if (this.#first && text !== '') {
      this.#first = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    let from = 0;
    if (this.#afterCr && text !== '') {
      this.#afterCr = false;
      if (text.charCodeAt(0) === 10) from = 1;
    }
    for (;;) {
      const end = lineEnd(text, from);
      if (end < 0) break;
      this.#take(this.#line + text.slice(from, end), events);
      this.#line = '';
      from = end + 1;
      if (text.charCodeAt(end) === 13) {
        if (from >= text.length) this.#afterCr = true;
        else if (text.charCodeAt(from) === 10) from += 1;
      }
    }
    this.#line += text.slice(from);
    if (this.#line.length + this.#dataLength > this.#eventCharsMax) {
      return { problem: `an event is longer than ${this.#eventCharsMax} characters` };
    }
    return events;
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
      this.#dataLength += value.length;
    } else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) this.#retryMs = Number(value);
  }

  #dispatch(events: SseEvent[]): void {
    if (this.#data.length > 0) {
      events.push({
        event: this.#event === '' ? 'message' : this.#event,
        data: this.#data.length === 1 ? (this.#data[0] ?? '') : this.#data.join('\n'),
        ...(this.#id === undefined ? {} : { id: this.#id }),
        ...(this.#retryMs === undefined ? {} : { retryMs: this.#retryMs }),
      });
    }
    this.#data = [];
    this.#dataLength = 0;
    this.#event = '';
    this.#retryMs = undefined;
  }
}

function lineEnd(text: string, from: number): number {
  const lf = text.indexOf('\n', from);
  const cr = text.indexOf('\r', from);
  if (cr < 0) return lf;
  return lf < 0 ? cr : Math.min(lf, cr);
}

export function isSseProblem(value: readonly SseEvent[] | SseProblem): value is SseProblem {
  return !Array.isArray(value);
}

/** One event as text. Line breaks inside `data` are legal JSON white space only, so they become several data lines. */
export function encodeSse(data: string, event?: string, id?: string): string {
  const lines = /[\r\n]/.test(data) ? data.split(/\r\n|\r|\n/).join('\ndata: ') : data;
  return `${event === undefined ? '' : `event: ${event}\n`}${id === undefined ? '' : `id: ${id}\n`}data: ${lines}\n\n`;
}

/** A comment: keeps the connection open through proxies, and clients ignore it. */
export const sseKeepAlive = ': keep-alive\n\n';
