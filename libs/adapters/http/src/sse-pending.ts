/** A request on an HTTP+SSE session that waits for its answer on the session's stream. */

import { encodeSse } from '@cruvero/core';
import {
  UpstreamBroken,
  type Clock,
  type Timer,
  type UpstreamFault,
  type UpstreamRequest,
  type UpstreamResponse,
} from '@cruvero/ports';
import { BodyStream } from './body-stream.ts';
import { fault } from './fault-of.ts';
import { jsonAnswer, streamAnswer } from './sse-answers.ts';

/** Ids kept to find out where a question was asked; those of a server that asks more are not followed. */
const questionsMax = 64;

export class PendingCall {
  /** JSON; or a stream, once something came before the answer. */
  readonly answer: Promise<UpstreamResponse | UpstreamFault>;
  readonly progressText: string | undefined;
  /** Ids, as JSON text, of what the server asked on this stream and has not taken back. */
  readonly #questions = new Set<string>();
  readonly #request: UpstreamRequest;
  readonly #forget: () => void;
  readonly #timer: Timer;
  #settle!: (answer: UpstreamResponse | UpstreamFault) => void;
  #stream: BodyStream | undefined;

  /** `forget` is called once, when nothing more is awaited. */
  constructor(request: UpstreamRequest, progressText: string | undefined, clock: Clock, forget: () => void) {
    this.#request = request;
    this.progressText = progressText;
    this.#forget = forget;
    this.answer = new Promise((resolve) => (this.#settle = resolve));
    const late = fault('timeout', `no answer within ${request.timeoutMs} ms`, false);
    this.#timer = clock.after(request.timeoutMs, () => this.fail(late));
    request.signal.addEventListener('abort', this);
  }

  /** The caller's abort signal. */
  handleEvent(): void {
    this.fail(fault('aborted', 'the caller gave up', false));
  }

  /** A message that comes before the answer: progress, a log message, a question of the server. */
  before(data: string): void {
    if (!this.#stream) {
      this.#timer.cancel();
      const over = (): void => this.#finish();
      this.#stream = new BodyStream({ pause: () => undefined, resume: () => undefined, cancel: over });
      this.#settle(streamAnswer(this.#stream));
    }
    if (this.#stream.waitingChars + data.length > this.#request.bytesMax) this.fail(this.#tooLarge());
    else this.#stream.push(encodeSse(data));
  }

  /** A request of the server. */
  question(idText: string, data: string): void {
    if (this.#questions.size < questionsMax) this.#questions.add(idText);
    this.before(data);
  }

  /** The server takes a request of its own back; false where it was not asked here. */
  withdraw(idText: string, data: string): boolean {
    if (!this.#questions.delete(idText)) return false;
    this.before(data);
    return true;
  }

  complete(data: string): void {
    if (data.length > this.#request.bytesMax) return this.fail(this.#tooLarge());
    this.#finish();
    if (!this.#stream) return this.#settle(jsonAnswer(data));
    this.#stream.push(encodeSse(data));
    this.#stream.end();
  }

  #tooLarge(): UpstreamFault {
    return fault('too_large', `the answer is larger than ${this.#request.bytesMax} bytes`, false);
  }

  /** The server did not take the message. */
  refuse(response: UpstreamResponse): void {
    this.#finish();
    this.#stream?.fail(new UpstreamBroken(`the message was answered ${response.status}`));
    this.#settle(response);
  }

  fail(why: UpstreamFault): void {
    this.#finish();
    this.#stream?.fail(new UpstreamBroken(why.detail));
    this.#settle(why);
  }

  #finish(): void {
    this.#timer.cancel();
    this.#request.signal.removeEventListener('abort', this);
    this.#forget();
  }
}
