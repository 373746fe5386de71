/** The text of a streaming answer on its way to one reader, with backpressure to the socket. */

import type { UpstreamBroken } from '@cruvero/ports';

/** What the stream needs of the connection that feeds it. */
export interface Feed {
  pause(): void;
  resume(): void;
  /** The reader wants no more. */
  cancel(): void;
}

/** Text that may wait for a reader before the socket is paused. */
const waitingCharsMax = 64 * 1024;

const done: IteratorReturnResult<undefined> = { value: undefined, done: true };

export class BodyStream implements AsyncIterable<string>, AsyncIterator<string> {
  readonly #feed: Feed;
  #waiting: string[] = [];
  #waitingChars = 0;
  #paused = false;
  #end: 'open' | 'ended' | UpstreamBroken = 'open';
  #reader: PromiseWithResolvers<IteratorResult<string>> | undefined;

  constructor(feed: Feed) {
    this.#feed = feed;
  }

  /** Pushed and not yet read. */
  get waitingChars(): number {
    return this.#waitingChars;
  }

  push(text: string): void {
    if (this.#end !== 'open' || text === '') return;
    if (this.#reader) {
      this.#reader.resolve({ value: text, done: false });
      this.#reader = undefined;
      return;
    }
    this.#waiting.push(text);
    this.#waitingChars += text.length;
    if (this.#waitingChars > waitingCharsMax && !this.#paused) {
      this.#paused = true;
      this.#feed.pause();
    }
  }

  /** What was pushed before is still read. */
  end(): void {
    if (this.#end !== 'open') return;
    this.#end = 'ended';
    this.#reader?.resolve(done);
    this.#reader = undefined;
  }

  /** What was pushed before is still read; then the reader gets the error. */
  fail(error: UpstreamBroken): void {
    if (this.#end !== 'open') return;
    this.#end = error;
    this.#reader?.reject(error);
    this.#reader = undefined;
  }

  next(): Promise<IteratorResult<string>> {
    const text = this.#take();
    if (text !== undefined) return Promise.resolve({ value: text, done: false });
    if (this.#end === 'ended') return Promise.resolve(done);
    if (this.#end !== 'open') return Promise.reject(this.#end);
    if (this.#reader) throw new Error('a body stream has one reader, which waits for one piece at a time');
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  #take(): string | undefined {
    if (this.#waiting.length === 0) return undefined;
    const text = this.#waiting.length === 1 ? this.#waiting[0] : this.#waiting.join('');
    this.#waiting = [];
    this.#waitingChars = 0;
    if (this.#paused) {
      this.#paused = false;
      this.#feed.resume();
    }
    return text;
  }

  /** The reader leaves early: `break` out of `for await`. */
  return(): Promise<IteratorResult<string>> {
    if (this.#end === 'open') {
      this.end();
      this.#feed.cancel();
    }
    this.#waiting = [];
    this.#waitingChars = 0;
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): AsyncIterator<string> {
    return this;
  }
}
