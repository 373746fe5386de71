/** One call's answer over HTTP: JSON, or a stream of events as soon as something comes before the answer. */

import type { ServerResponse } from 'node:http';
import { encodeSse, isFault, ssePriming, type Era, type Fault, type Reply } from '@cruvero/core';
import type { CallOutlet } from '../callers/legacy-caller.ts';
import type { EventLog, LoggedStream } from '../sessions/event-log.ts';
import {
  errorMessage,
  faultText,
  replyStatus,
  resultMessage,
  sendFault,
  sendJson,
  sendResult,
  sseHeaders,
} from './respond.ts';
import type { Streams, Waiting } from './streams.ts';

/** Where a call's messages and its answer go, whatever carries them. */
export interface Outlet extends CallOutlet {
  finish(outcome: Reply | Fault): void;
}

export interface AnswerOptions {
  readonly era: Era;
  readonly acceptsSse: boolean;
  readonly streams: Pick<Streams, 'keepAlive' | 'waitFor' | 'waitedFor' | 'answered'>;
  /** Where events are kept for a client that comes back for them; undefined where there is no session. */
  readonly events?: (() => EventLog) | undefined;
  /** The client knows what an event without data is for (2025-11-25). */
  readonly primes?: boolean;
  /** Default: `notifyBufferedMax`. */
  readonly bufferedMax?: number;
}

/** Bytes of notifications kept for a caller who does not read; beyond it they are dropped. */
export const notifyBufferedMax = 256 << 10;

/** A client whose stream broke comes back after so long. */
const comeBackMs = 1_000;

export class CallAnswer implements Outlet, Waiting {
  readonly #response: ServerResponse;
  readonly #idText: string;
  readonly #options: AnswerOptions;
  #logged: LoggedStream | undefined;

  constructor(response: ServerResponse, idText: string, options: AnswerOptions) {
    this.#response = response;
    this.#idText = idText;
    this.#options = options;
    if (options.acceptsSse) options.streams.waitFor(this);
  }

  /** Makes it a stream now. */
  begin(): void {
    const options = this.#options;
    const response = this.#response;
    if (!options.acceptsSse || response.headersSent || response.destroyed) return;
    options.streams.waitedFor(this);
    response.writeHead(200, sseHeaders);
    this.#logged = options.events?.().open(response, 'call');
    options.streams.keepAlive(response);
    if (this.#logged && options.primes) response.write(ssePriming(this.#logged.primingId(), comeBackMs));
  }

  /** Dropped where the caller takes no stream, or does not read fast enough: the answer matters more. */
  notify(text: string): void {
    if (!this.#begun()) return;
    if (this.#unreadBytes() < (this.#options.bufferedMax ?? notifyBufferedMax)) this.#write(text);
  }

  ask(text: string): boolean {
    if (!this.#begun()) return false;
    this.#write(text);
    return true;
  }

  finish(outcome: Reply | Fault): void {
    this.#options.streams.waitedFor(this);
    if (!this.#response.headersSent) this.#finishJson(outcome);
    else this.#finishStream(outcome);
    this.#options.streams.answered(this.#response);
  }

  #finishStream(outcome: Reply | Fault): void {
    this.#write(isFault(outcome) ? errorMessage(this.#idText, faultText(outcome)) : this.#message(outcome));
    if (this.#logged) this.#logged.end();
    else if (!this.#response.writableEnded) this.#response.end();
  }

  /** True where it is a stream that somebody reads, or can come back to. */
  #begun(): boolean {
    this.begin();
    if (!this.#options.acceptsSse || !this.#response.headersSent) return false;
    return this.#logged !== undefined || !(this.#response.destroyed || this.#response.writableEnded);
  }

  #unreadBytes(): number {
    return this.#logged?.unreadBytes ?? this.#response.writableLength;
  }

  #write(text: string): void {
    if (this.#logged) this.#logged.write(text);
    else if (!this.#response.destroyed && !this.#response.writableEnded)
      this.#response.write(encodeSse(text, 'message'));
  }

  #finishJson(outcome: Reply | Fault): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    if (isFault(outcome)) return sendFault(this.#response, outcome, this.#idText, this.#options.era);
    const status = replyStatus(outcome, this.#options.era);
    if (outcome.kind === 'result' && outcome.pieces)
      sendResult(this.#response, status, this.#idText, outcome.pieces);
    else sendJson(this.#response, status, this.#message(outcome));
  }

  #message(reply: Reply): string {
    return reply.kind === 'result'
      ? resultMessage(this.#idText, reply.text)
      : errorMessage(this.#idText, reply.text);
  }
}
