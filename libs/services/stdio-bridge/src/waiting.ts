/** One exchange that waits for its child: JSON if the answer comes first, a stream if something comes before it. */

import { errorText, events, json } from './answers.ts';
import type { Asker } from './conversation.ts';
import { EventStream, isLarger, type Lane } from './event-stream.ts';
import type { UpstreamFault, UpstreamRequest, UpstreamResponse } from '@cruvero/ports';

export interface WaitingOptions {
  readonly request: Pick<UpstreamRequest, 'bytesMax'>;
  readonly session: string | undefined;
  readonly streamCharsMax: number;
  /** The modern era gives some errors a status of their own. */
  statusOf(errorCode: number | undefined): number;
  /** Nothing more will come. */
  onOver(outcome: string): void;
}

export class Waiting implements Asker, Lane {
  readonly session: string | undefined;
  readonly #options: WaitingOptions;
  readonly #head = Promise.withResolvers<UpstreamResponse | UpstreamFault>();
  #stream: EventStream | undefined;
  #over = false;

  constructor(options: WaitingOptions) {
    this.#options = options;
    this.session = options.session;
  }

  get head(): Promise<UpstreamResponse | UpstreamFault> {
    return this.#head.promise;
  }

  /** True once the head of the answer is out: the bound on its time is then over. */
  get streams(): boolean {
    return this.#stream !== undefined;
  }

  get open(): boolean {
    return !this.#over;
  }

  onNotification(text: string): void {
    this.notify(text);
  }

  notify(text: string): void {
    if (this.#over) return;
    const stream = this.#stream ?? this.#newStream();
    stream.notify(text);
    this.#answerWith(stream);
  }

  carry(text: string): boolean {
    if (this.#over) return false;
    const stream = this.#stream ?? this.#newStream();
    // Asked before the head goes out: for something that is not sent the answer need not become a stream.
    if (!stream.carry(text)) return false;
    this.#answerWith(stream);
    return true;
  }

  #newStream(): EventStream {
    return new EventStream(this.#options.streamCharsMax, this.#options.request.bytesMax);
  }

  #answerWith(stream: EventStream): void {
    if (this.#stream) return;
    this.#stream = stream;
    this.#head.resolve(events(stream));
  }

  onAnswer(text: string, errorCode: number | undefined): void {
    const { bytesMax } = this.#options.request;
    if (isLarger(text, bytesMax)) {
      this.fail('too_large', `the answer is larger than ${bytesMax} bytes`);
      return;
    }
    this.#answer(text, errorCode, errorCode === undefined ? 'ok' : 'error');
  }

  #answer(text: string, errorCode: number | undefined, outcome: string): void {
    this.#finish(outcome);
    if (this.#stream) this.#stream.finish(text);
    else this.#head.resolve(json(text, this.#options.statusOf(errorCode)));
  }

  onGone(detail: string): void {
    this.fail('broken', detail);
  }

  /** The caller has taken the request back by a message; nobody reads the answer, but somebody may hold the line. */
  cancelled(idText: string): void {
    this.#answer(errorText({ fault: 'cancelled' }, idText), -31099, 'cancelled');
  }

  /** The request has left: whoever sends it again may do it twice. */
  fail(fault: UpstreamFault['fault'], detail: string): void {
    this.#finish(fault);
    if (this.#stream) this.#stream.break(detail);
    else this.#head.resolve({ fault, detail, neverLeft: false });
  }

  #finish(outcome: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onOver(outcome);
  }
}
