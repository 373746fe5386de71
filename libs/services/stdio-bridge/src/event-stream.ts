/** Server-sent events that somebody reads at his own pace: a queue with a bound. */

import { encodeSse, sseKeepAlive } from '@cruvero/core';
import { UpstreamBroken } from '@cruvero/ports';

/** Where a message for one session can go: an exchange that is under way, or an open stream. */
export interface Lane {
  /** False once nobody reads it any more. */
  readonly open: boolean;
  /** Something that may be lost if the reader is too slow. */
  notify(text: string): void;
  /** Something that must arrive; false where it does not fit. */
  carry(text: string): boolean;
}

export class EventStream implements AsyncIterable<string>, Lane {
  readonly #charsMax: number;
  readonly #messageBytesMax: number;
  #queue: string[] = [];
  #queuedChars = 0;
  #wake: (() => void) | undefined;
  #end: 'open' | 'ended' | UpstreamBroken = 'open';
  #dropped = 0;

  /** `charsMax` bounds what lies unread; `messageBytesMax` one message that must arrive. */
  constructor(charsMax: number, messageBytesMax = charsMax) {
    this.#charsMax = charsMax;
    this.#messageBytesMax = messageBytesMax;
  }

  get open(): boolean {
    return this.#end === 'open';
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

  /** One message more than the bound may lie here: a large question has to get through, a heap of them not. */
  carry(message: string): boolean {
    const fits = this.#queuedChars <= this.#charsMax && !isLarger(message, this.#messageBytesMax);
    if (!fits || !this.open) return false;
    this.#push(encodeSse(message, 'message'));
    return true;
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

/** Whether the text has more bytes than that in UTF-8; counted only where it may. */
export function isLarger(text: string, bytesMax: number): boolean {
  return text.length * 3 > bytesMax && Buffer.byteLength(text) > bytesMax;
}
