/** Open event streams: kept alive, bounded in number, age and unread bytes. */

import type { ServerResponse } from 'node:http';
import { encodeSse, sseKeepAlive } from '@cruvero/core';
import type { Clock, Timer } from '@cruvero/ports';
import { sseHeaders } from './respond.ts';

export interface StreamBounds {
  readonly streamsMax: number;
  readonly streamAgeMs: number;
}

/** Edges cut idle streams after a minute; a comment often enough keeps them. */
const keepAliveMs = 15_000;
/** A client that does not read has so much kept for it, then its stream is closed. */
const unreadBytesMax = 1 << 20;

export interface OpenStream {
  /** False: the client is gone, or did not read. */
  send(text: string): boolean;
  /** Ends it; `last` is sent before. Idempotent. */
  end(last?: string): void;
}

interface Held {
  readonly response: ServerResponse;
  readonly sinceMs: number;
  readonly onAge: () => void;
}

export class Streams {
  readonly #held = new Set<Held>();
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

  /** Headers and a first comment go out at once: some edges hold the headers back until a byte of body comes. */
  open(response: ServerResponse, onClose: () => void, onAge: (stream: OpenStream) => void): OpenStream {
    response.writeHead(200, sseHeaders);
    response.write(sseKeepAlive);
    const stream: OpenStream = {
      send: (text) => this.#send(response, text),
      end: (last) => {
        if (!response.writableEnded && !response.destroyed)
          response.end(last === undefined ? undefined : encodeSse(last, 'message'));
      },
    };
    const held: Held = { response, sinceMs: this.#clock.monotonicMs(), onAge: () => onAge(stream) };
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

  #send(response: ServerResponse, text: string): boolean {
    if (response.destroyed || response.writableEnded) return false;
    if (response.writableLength > unreadBytesMax) {
      response.destroy();
      return false;
    }
    response.write(encodeSse(text, 'message'));
    return true;
  }

  #beat(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const held of this.#held) {
      // It was ended a while ago and its client does not read even that.
      if (held.response.writableEnded) held.response.destroy();
      else if (nowMs - held.sinceMs >= this.#bounds.streamAgeMs) held.onAge();
      else if (held.response.writableLength > unreadBytesMax) held.response.destroy();
      else held.response.write(sseKeepAlive);
    }
  }
}
