/** Open event streams: kept alive, bounded in number, age and unread bytes. */

import type { ServerResponse } from 'node:http';
import { encodeSse, sseKeepAlive } from '@cruvero/core';
import type { Clock, Timer } from '@cruvero/ports';
import { sseHeaders } from './respond.ts';
import { UnreadAnswers } from './unread.ts';

export interface StreamBounds {
  readonly streamsMax: number;
  readonly streamAgeMs: number;
}

/** Edges cut idle streams after a minute; a comment often enough keeps them. */
const keepAliveMs = 15_000;
/** A client that does not read has so much kept for it, then its stream is closed. */
export const unreadBytesMax = 1 << 20;

/** Where a stream is not like the others. */
export interface OwnTerms {
  /** Asked when it is as old as a stream may become: true lets it live for as long again. */
  readonly mayStay?: () => boolean;
  /** Asked again and again: false once its client would not be let in any more. */
  readonly isAdmitted?: (() => boolean) | undefined;
  readonly unreadBytesMax?: number;
}

export interface OpenStream {
  /** False: the client is gone, or did not read. */
  send(text: string): boolean;
  /** Ends it; `last` is sent before. Idempotent. */
  end(last?: string): void;
}

/** An answer that may become a stream before it is there. */
export interface Waiting {
  begin(): void;
}

interface Held {
  readonly response: ServerResponse;
  sinceMs: number;
  readonly onAge: () => void;
  readonly terms: OwnTerms;
}

export class Streams {
  readonly #held = new Set<Held>();
  /** Answers of calls that have begun as streams: kept alive, ended by their calls. */
  readonly #answers = new Set<ServerResponse>();
  readonly #waiting = new Map<Waiting, number>();
  readonly #unread = new UnreadAnswers();
  readonly #bounds: StreamBounds;
  readonly #clock: Clock;
  readonly #timer: Timer;

  constructor(bounds: StreamBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#timer = clock.every(keepAliveMs, () => this.#beat());
  }

  get size(): number {
    return this.#held.size;
  }

  full(): boolean {
    return this.#held.size >= this.#bounds.streamsMax;
  }

  /** Keeps alive the stream of one call's answer, from its first comment on. */
  keepAlive(response: ServerResponse): void {
    response.write(sseKeepAlive);
    this.#answers.add(response);
    response.once('close', () => this.#answers.delete(response));
  }

  /** An answer that takes long becomes a stream, so that no edge on the way takes the silence for death. */
  waitFor(answer: Waiting): void {
    this.#waiting.set(answer, this.#clock.monotonicMs());
  }

  waitedFor(answer: Waiting): void {
    this.#waiting.delete(answer);
  }

  /** The answer was given whole; its client may not read it. */
  answered(response: ServerResponse): void {
    this.#unread.given(response, this.#clock.monotonicMs());
  }

  /** Headers and a first comment go out at once: some edges hold the headers back until a byte of body comes. */
  open(
    response: ServerResponse,
    onClose: () => void,
    onAge: (stream: OpenStream) => void,
    terms: OwnTerms = {},
  ): OpenStream {
    response.writeHead(200, sseHeaders);
    response.write(sseKeepAlive);
    const stream: OpenStream = {
      send: (text) => this.#send(response, text, terms),
      end: (last) => {
        if (!response.writableEnded && !response.destroyed)
          response.end(last === undefined ? undefined : encodeSse(last, 'message'));
      },
    };
    const held: Held = { response, sinceMs: this.#clock.monotonicMs(), onAge: () => onAge(stream), terms };
    this.#held.add(held);
    response.once('close', () => {
      this.#held.delete(held);
      onClose();
    });
    return stream;
  }

  /** Ends every stream, telling each what its opener wants told at the end. */
  close(): void {
    this.#timer.cancel();
    for (const held of this.#held) held.onAge();
    this.#held.clear();
  }

  #send(response: ServerResponse, text: string, terms: OwnTerms): boolean {
    if (response.destroyed || response.writableEnded) return false;
    if (isUnread(response, terms)) {
      response.destroy();
      return false;
    }
    response.write(encodeSse(text, 'message'));
    return true;
  }

  #beat(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [answer, sinceMs] of this.#waiting) {
      // Oldest first: the rest began later.
      if (nowMs - sinceMs < keepAliveMs) break;
      this.#waiting.delete(answer);
      answer.begin();
    }
    for (const response of this.#answers) if (response.writableLength === 0) response.write(sseKeepAlive);
    for (const held of this.#held) this.#beatOne(held, nowMs);
    this.#unread.sweep(nowMs);
  }

  #beatOne(held: Held, nowMs: number): void {
    const { response, terms } = held;
    // It was ended a while ago and its client does not read even that.
    if (response.writableEnded) return void response.destroy();
    if (terms.isAdmitted?.() === false) return held.onAge();
    if (nowMs - held.sinceMs >= this.#bounds.streamAgeMs) {
      if (terms.mayStay?.() !== true) return held.onAge();
      held.sinceMs = nowMs;
    }
    if (isUnread(response, terms)) response.destroy();
    else response.write(sseKeepAlive);
  }
}

function isUnread(response: ServerResponse, terms: OwnTerms): boolean {
  return response.writableLength > (terms.unreadBytesMax ?? unreadBytesMax);
}
