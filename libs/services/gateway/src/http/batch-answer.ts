/** The answers of a batch over HTTP: one JSON array, or a stream of events as soon as something comes before them. */

import type { ServerResponse } from 'node:http';
import { encodeSse, isFault, type Fault, type Reply } from '@cruvero/core';
import { notifyBufferedMax, type Outlet } from './call-answer.ts';
import { errorMessage, faultText, resultMessage, sendJson, sseHeaders } from './respond.ts';
import type { Streams, Waiting } from './streams.ts';

export interface BatchAnswerOptions {
  /** Of the answer as one JSON array. */
  readonly status: number;
  readonly acceptsSse: boolean;
  readonly streams: Pick<Streams, 'keepAlive' | 'waitFor' | 'waitedFor'>;
  /** Answers held at a time until they can be sent. */
  readonly bytesMax: number;
}

export class BatchAnswer implements Waiting {
  readonly #response: ServerResponse;
  readonly #options: BatchAnswerOptions;
  /** Answers of an array, each at its request's place; or messages that wait until the client has read. */
  #held: string[] = [];
  #heldChars = 0;
  #left: number;
  #streaming = false;

  /** Is through when each of the `count` outlets was given its outcome. */
  constructor(response: ServerResponse, count: number, options: BatchAnswerOptions) {
    this.#response = response;
    this.#left = count;
    this.#options = options;
    if (options.acceptsSse) options.streams.waitFor(this);
    response.once('close', () => this.#release());
  }

  /** Of the answer at this place. */
  outlet(at: number, idText: string): Outlet {
    return {
      notify: (text) => this.#notify(text),
      ask: (text) => this.#ask(text),
      finish: (outcome) => this.#finish(at, idText, outcome),
    };
  }

  /** Makes it a stream now, with the answers that are there already. */
  begin(): void {
    if (!this.#options.acceptsSse || this.#streaming || this.#isOver()) return;
    this.#streaming = true;
    this.#options.streams.waitedFor(this);
    this.#response.writeHead(200, sseHeaders);
    this.#options.streams.keepAlive(this.#response);
    // Places of answers that are not there yet are left out.
    this.#held = this.#held.filter(() => true);
    this.#response.on('drain', () => this.#pump());
    this.#pump();
  }

  #notify(text: string): void {
    this.begin();
    // Dropped where the caller takes no stream, or does not read fast enough: the answers matter more.
    if (this.#streaming && this.#heldChars + this.#response.writableLength < notifyBufferedMax)
      this.#send(text);
  }

  #ask(text: string): boolean {
    this.begin();
    if (!this.#streaming || this.#isOver()) return false;
    this.#send(text);
    return true;
  }

  #finish(at: number, idText: string, outcome: Reply | Fault): void {
    const whole = answerText(idText, outcome);
    // Too much for one array may still go out bit by bit.
    if (!this.#fits(whole)) this.begin();
    this.#left -= 1;
    if (this.#isOver()) return;
    const text = this.#fits(whole) ? whole : answerText(idText, tooMuch(this.#options.bytesMax));
    if (this.#streaming) return this.#send(text);
    this.#held[at] = text;
    this.#heldChars += text.length;
    if (this.#left === 0) this.#sendArray();
  }

  #fits(text: string): boolean {
    return this.#heldChars + text.length <= this.#options.bytesMax;
  }

  #sendArray(): void {
    this.#options.streams.waitedFor(this);
    sendJson(this.#response, this.#options.status, `[${this.#held.join(',')}]`);
    this.#release();
  }

  #send(text: string): void {
    if (this.#isOver()) return;
    this.#held.push(text);
    this.#heldChars += text.length;
    this.#pump();
  }

  /** Writes what the client has room for; the rest when it has read. */
  #pump(): void {
    while (this.#held.length > 0 && this.#response.writableLength < notifyBufferedMax) {
      const text = this.#held.shift() ?? '';
      this.#heldChars -= text.length;
      this.#response.write(encodeSse(text, 'message'));
    }
    if (this.#held.length === 0 && this.#left === 0 && !this.#isOver()) this.#response.end();
  }

  #isOver(): boolean {
    return this.#response.destroyed || this.#response.writableEnded;
  }

  #release(): void {
    this.#options.streams.waitedFor(this);
    this.#held = [];
    this.#heldChars = 0;
  }
}

function answerText(idText: string, outcome: Reply | Fault): string {
  if (isFault(outcome)) return errorMessage(idText, faultText(outcome));
  return outcome.kind === 'result' ? resultMessage(idText, outcome.text) : errorMessage(idText, outcome.text);
}

function tooMuch(bytesMax: number): Fault {
  const detail = `The answers of this batch are larger than ${bytesMax} bytes together; send fewer requests in one batch.`;
  return { fault: 'bad_request', detail };
}
