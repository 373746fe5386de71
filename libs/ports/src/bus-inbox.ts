/** What one subscription has received and not yet handed out: in order, one after the other, bounded. */

export interface InboxBounds {
  readonly messagesMax: number;
  readonly bytesMax: number;
}

/** A slow subscriber may lag by this much; what comes on top is dropped. */
export const inboxBounds: InboxBounds = { messagesMax: 16_384, bytesMax: 64 << 20 };

export class Inbox<T> {
  readonly #handle: (item: T) => void | Promise<void>;
  readonly #onThrow: (error: unknown) => void;
  readonly #bounds: InboxBounds;
  #waiting = 0;
  #waitingBytes = 0;
  #closed = false;
  #tail: Promise<void> = Promise.resolve();

  constructor(
    handle: (item: T) => void | Promise<void>,
    onThrow: (error: unknown) => void,
    bounds: InboxBounds = inboxBounds,
  ) {
    this.#handle = handle;
    this.#onThrow = onThrow;
    this.#bounds = bounds;
  }

  /** False: full or closed, the item was dropped. */
  push(item: T, bytes: number): boolean {
    if (this.#closed) return false;
    if (this.#waiting >= this.#bounds.messagesMax || this.#waitingBytes + bytes > this.#bounds.bytesMax)
      return false;
    this.#waiting += 1;
    this.#waitingBytes += bytes;
    this.#tail = this.#tail.then(() => this.#handOut(item, bytes));
    return true;
  }

  async #handOut(item: T, bytes: number): Promise<void> {
    try {
      if (!this.#closed) await this.#handle(item);
    } catch (error) {
      this.#onThrow(error);
    } finally {
      this.#waiting -= 1;
      this.#waitingBytes -= bytes;
    }
  }

  /** Hands out nothing more; what waits is dropped. The handler that runs now is not waited for. */
  close(): void {
    this.#closed = true;
  }

  /** Resolves when everything pushed so far has been handled. */
  idle(): Promise<void> {
    return this.#tail;
  }
}
