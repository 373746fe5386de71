/** Answers that were given whole and not read yet: bounded in bytes all together, and each in the time that it stands still. */

import type { ServerResponse } from 'node:http';

/** Of all answers together; beyond it the ones that wait longest lose their connection. */
export const unreadTotalBytesMax = 256 << 20;
/** A reader of whom nothing is seen for so long has gone. */
export const stillMsMax = 30_000;
/** What a socket takes at once is no matter. */
const smallBytes = 64 << 10;

interface Unread {
  bytes: number;
  /** When fewer bytes were left than before. */
  movedAtMs: number;
}

export class UnreadAnswers {
  readonly #unread = new Map<ServerResponse, Unread>();
  #total = 0;

  /** To be told of every answer behind its end. */
  given(response: ServerResponse, nowMs: number): void {
    const bytes = response.writableLength;
    if (bytes < smallBytes || response.destroyed) return;
    this.#unread.set(response, { bytes, movedAtMs: nowMs });
    this.#total += bytes;
    response.once('close', () => this.#forget(response));
    response.once('finish', () => this.#forget(response));
    if (this.#total > unreadTotalBytesMax) this.#makeRoom(nowMs);
  }

  /** Ends those that stand still. */
  sweep(nowMs: number): void {
    for (const [response, unread] of [...this.#unread]) {
      this.#look(response, unread, nowMs);
      if (nowMs - unread.movedAtMs >= stillMsMax) response.destroy();
    }
  }

  /** What was read meanwhile may be room enough. */
  #makeRoom(nowMs: number): void {
    for (const [response, unread] of this.#unread) this.#look(response, unread, nowMs);
    for (const response of [...this.#unread.keys()]) {
      if (this.#total <= unreadTotalBytesMax) return;
      this.#forget(response);
      response.destroy();
    }
  }

  #look(response: ServerResponse, unread: Unread, nowMs: number): void {
    const bytes = response.writableLength;
    if (bytes >= unread.bytes) return;
    this.#total -= unread.bytes - bytes;
    unread.bytes = bytes;
    unread.movedAtMs = nowMs;
  }

  #forget(response: ServerResponse): void {
    this.#total -= this.#unread.get(response)?.bytes ?? 0;
    this.#unread.delete(response);
  }
}
