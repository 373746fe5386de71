/** One exchange that waits for its child: JSON if the answer comes first, a stream if something comes before it. */

import { errorText, events, json } from './answers.ts';
import type { Asker } from './conversation.ts';
import { EventStream } from './event-stream.ts';
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

export class Waiting implements Asker {
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

  onNotification(text: string): void {
    if (this.#over) return;
    if (!this.#stream) {
      this.#stream = new EventStream(this.#options.streamCharsMax);
      this.#head.resolve(events(this.#stream));
    }
    this.#stream.notify(text);
  }

  onAnswer(text: string, errorCode: number | undefined): void {
    const { bytesMax } = this.#options.request;
    if (text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax) {
      this.fail('too_large', `the answer is larger than ${bytesMax} bytes`);
      return;
    }
    this.#finish(errorCode === undefined ? 'ok' : 'error');
    if (this.#stream) this.#stream.finish(text);
    else this.#head.resolve(json(text, this.#options.statusOf(errorCode)));
  }

  onGone(detail: string): void {
    this.fail('broken', detail);
  }

  /** The caller has taken the request back by a message; nobody reads the answer, but somebody may hold the line. */
  cancelled(idText: string): void {
    this.onAnswer(errorText({ fault: 'cancelled' }, idText), -31099);
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
