/** One request to an upstream and its answer, from the queue of the pool to the last byte. */

import {
  UpstreamBroken,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import type { Dispatcher } from 'undici';
import { BodyStream, type Feed } from './body-stream.ts';
import { EventBound } from './event-bound.ts';
import { fault, faultOf } from './fault-of.ts';
import { isUtf8Whole, textOf, Utf8Pieces } from './utf8.ts';

/** Node's timers take no more; a longer delay would fire at once. */
const timerMsMax = 2 ** 31 - 1;

type HeadersIn = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * The promise settles when a whole text body has come, or the head of a stream, or a fault. The slot is given
 * back when
 * the transport has let go of the request, which may be later.
 */
export class Exchange implements Dispatcher.DispatchHandler, Feed {
  readonly answer: Promise<UpstreamResponse | UpstreamFault>;
  #settle!: (value: UpstreamResponse | UpstreamFault) => void;
  readonly #request: UpstreamRequest;
  readonly #release: () => void;
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  /** Given to a socket: from then on the server may have it. */
  #left = false;
  /** Nobody waits for more: settled with a fault, cancelled, or at the end. */
  #over = false;
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};
  #pieces: Buffer[] = [];
  #bytes = 0;
  #stream: BodyStream | undefined;
  #decoder: Utf8Pieces | undefined;
  #bound: EventBound | undefined;

  constructor(request: UpstreamRequest, release: () => void) {
    this.#request = request;
    this.#release = release;
    this.answer = new Promise((resolve) => (this.#settle = resolve));
    this.#timer = setTimeout(onTimeout, Math.min(request.timeoutMs, timerMsMax), this);
    request.signal.addEventListener('abort', this);
  }

  /** The caller's abort signal. */
  handleEvent(): void {
    this.#giveUp(fault('aborted', 'the caller gave up', !this.#left));
  }

  timeOut(): void {
    const what = this.#left ? 'no whole answer' : 'no free connection';
    this.#giveUp(fault('timeout', `${what} within ${this.#request.timeoutMs} ms`, !this.#left));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over) return controller.abort(new Error('given up while waiting'));
    this.#controller = controller;
    this.#left = true;
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: HeadersIn): void {
    if (status < 200 || this.#over) return;
    this.#status = status;
    this.#headers = joined(headers);
    const encoding = this.#headers['content-encoding'];
    if (status >= 300 && status < 400) {
      this.#giveUp(fault('broken', `it answered ${status}, a redirect; redirects are not followed`, false));
    } else if (encoding !== undefined && encoding !== 'identity') {
      this.#giveUp(fault('broken', 'the answer is compressed though nobody asked for it', false));
    } else if (isEventStream(this.#headers['content-type'])) {
      this.#startStream();
    } else if (Number(this.#headers['content-length'] ?? 0) > this.#request.bytesMax) {
      this.#tooLarge();
    }
  }

  #startStream(): void {
    this.#stream = new BodyStream(this);
    this.#decoder = new Utf8Pieces();
    this.#bound = new EventBound(this.#request.bytesMax);
    clearTimeout(this.#timer);
    this.#settle({
      status: this.#status,
      headers: this.#headers,
      body: { kind: 'stream', chunks: this.#stream },
    });
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#over) return;
    if (this.#stream) return this.#streamed(this.#stream, piece);
    this.#bytes += piece.length;
    if (this.#bytes > this.#request.bytesMax) return this.#tooLarge();
    this.#pieces.push(piece);
  }

  #streamed(stream: BodyStream, piece: Buffer): void {
    const text = this.#decoder?.feed(piece);
    if (text === undefined) {
      this.#giveUp(fault('broken', 'the stream is not UTF-8', false));
    } else if (this.#bound?.take(piece) === false) {
      this.#tooLarge();
    } else {
      stream.push(text);
    }
  }

  #tooLarge(): void {
    const what = this.#stream ? 'an event of the stream' : 'the answer';
    this.#giveUp(fault('too_large', `${what} is larger than ${this.#request.bytesMax} bytes`, false));
  }

  onResponseEnd(): void {
    this.#release();
    if (this.#over) return;
    this.#finish();
    if (!this.#stream) return this.#settle(this.#textAnswer());
    if (this.#decoder?.whole === false)
      this.#stream.fail(new UpstreamBroken('the stream ended inside a character'));
    else this.#stream.end();
  }

  /** A refusal in an odd encoding is still a refusal: its status counts, so its text is not checked. */
  #textAnswer(): UpstreamResponse | UpstreamFault {
    const isText = isUtf8Whole(this.#pieces);
    if (!isText && this.#status < 400) return fault('broken', 'the answer is not UTF-8', false);
    const body =
      isText && this.#bytes >= piecesMin
        ? new LargeBody(this.#pieces)
        : { kind: 'text' as const, text: textOf(this.#pieces) };
    return { status: this.#status, headers: this.#headers, body };
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#release();
    if (!this.#over) this.#fail(faultOf(error, this.#left));
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  cancel(): void {
    this.#giveUp(fault('aborted', 'the reader left', false));
  }

  #giveUp(why: UpstreamFault): void {
    if (this.#over) return;
    this.#fail(why);
    this.#controller?.abort(new Error(why.detail));
  }

  #fail(why: UpstreamFault): void {
    this.#finish();
    this.#pieces = [];
    if (this.#stream) this.#stream.fail(new UpstreamBroken(why.detail));
    else this.#settle(why);
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#request.signal.removeEventListener('abort', this);
  }
}

/** Smaller bodies, in bytes, are cheaper as text at once. */
const piecesMin = 16 << 10;

/** Most large bodies are passed on as they came, and never become text. */
class LargeBody {
  readonly kind = 'text';
  readonly pieces: readonly Buffer[];

  constructor(pieces: readonly Buffer[]) {
    this.pieces = pieces;
  }

  get text(): string {
    return textOf(this.pieces);
  }
}

function onTimeout(exchange: Exchange): void {
  exchange.timeOut();
}

/**
 * Lower-case names as they come from undici; a header that stands several times becomes one line (RFC 9110
 * §5.3).
 */
function joined(headers: HeadersIn): Readonly<Record<string, string>> {
  const out: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) out[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return out;
}

function isEventStream(contentType: string | undefined): boolean {
  if (contentType === undefined || !/^text\/event-stream/i.test(contentType)) return false;
  return /^[ \t]*(?:;|$)/.test(contentType.slice('text/event-stream'.length));
}
