/** Server-sent events that somebody reads at his own pace: a queue with a bound. */

import { encodeSse, sseKeepAlive } from '@cruvero/core';
import { UpstreamBroken } from '@cruvero/ports';

export class EventStream implements AsyncIterable<string> {
  readonly #charsMax: number;
  #queue: string[] = [];
  #queuedChars = 0;
  #wake: (() => void) | undefined;
  #end: 'open' | 'ended' | UpstreamBroken = 'open';
  #dropped = 0;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  /** Notifications that a slow reader did not get. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Something that may be lost if the reader is too slow. */
  notify(message: string): void {
    if (this.#queuedChars + message.length > this.#charsMax) this.#dropped += 1;
    else this.#push(encodeSse(message, 'message'));
  }

  /** Keeps what stands between awake, and shows a reader that the stream is open. */
  keepAlive(): void {
    if (this.#queue.length === 0) this.#push(sseKeepAlive);
  }

  /** The answer, which is never dropped, and the end. */
  finish(message?: string): void {
    if (message !== undefined) this.#push(encodeSse(message, 'message'));
    this.#close('ended');
  }

  break(detail: string): void {
    this.#close(new UpstreamBroken(detail));
  }

  #push(text: string): void {
    if (this.#end !== 'open') return;
    this.#queue.push(text);
    this.#queuedChars += text.length;
    this.#wake?.();
  }

  #close(end: 'ended' | UpstreamBroken): void {
    if (this.#end === 'open') this.#end = end;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<string> {
    for (;;) {
      const chunk = this.#queue.join('');
      this.#queue = [];
      this.#queuedChars = 0;
      if (chunk !== '') yield chunk;
      else if (this.#end === 'ended') return;
      else if (this.#end !== 'open') throw this.#end;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
