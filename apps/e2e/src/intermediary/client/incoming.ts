/** One HTTP exchange as a client sees it, message by message, while it is still under way. */

import { isSseProblem, parseJsonObject, SseParser, type Json, type JsonObject } from '@cruvero/core';
import { Notice, withinMsUsual } from '../notice.ts';

export interface Outgoing {
  readonly url: string;
  /** Default POST. */
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An error as it stands in a JSON-RPC answer. */
export interface ErrorSaid {
  readonly code: Json;
  readonly message: Json;
  readonly data?: Json;
}

const eventBytesMax = 64 << 20;
/** For the head of any answer. */
const headMsMax = 15_000;

export class Incoming {
  readonly status: number;
  /** Every message so far. */
  readonly messages: JsonObject[] = [];
  /** Ids of events, where they had one. */
  readonly eventIds: string[] = [];
  /** Called for each message as it comes. */
  onMessage: ((message: JsonObject) => void) | undefined;
  #text = '';
  #ended = false;
  readonly #response: Response;
  readonly #abort: AbortController;
  readonly #notice = new Notice();

  private constructor(response: Response, abort: AbortController, onMessage: Incoming['onMessage']) {
    this.status = response.status;
    this.#response = response;
    this.#abort = abort;
    this.onMessage = onMessage;
    void this.#read()
      .catch(() => undefined)
      .finally(() => {
        this.#ended = true;
        this.#notice.tell();
      });
  }

  /** Resolves with the head of the answer. */
  static async open(
    { url, method = 'POST', headers, body }: Outgoing,
    onMessage?: (message: JsonObject) => void,
    abort = new AbortController(),
  ): Promise<Incoming> {
    const late = setTimeout(() => abort.abort(new Error(`no answer within ${headMsMax} ms`)), headMsMax);
    try {
      const init = { method, headers, signal: abort.signal, redirect: 'manual' as const };
      const response = await fetch(url, body === undefined ? init : { ...init, body });
      return new Incoming(response, abort, onMessage);
    } finally {
      clearTimeout(late);
    }
  }

  header(name: string): string | undefined {
    return this.#response.headers.get(name) ?? undefined;
  }

  get isStream(): boolean {
    return this.header('content-type')?.startsWith('text/event-stream') ?? false;
  }

  /** The body so far. */
  get text(): string {
    return this.#text;
  }

  /** Closes the connection, whatever is still to come. */
  close(): void {
    this.#abort.abort();
  }

  until<T>(what: string, look: () => T, withinMs = withinMsUsual): Promise<Exclude<T, undefined | false>> {
    return this.#notice.until(
      () => `${what}; so far: ${this.status} ${this.#text.slice(0, 600)}`,
      look,
      withinMs,
    );
  }

  /** The first message of this method, after `after` others of it. */
  told(method: string, after = 0, withinMs?: number): Promise<JsonObject> {
    return this.until(`a message ${method}`, () => this.all(method)[after], withinMs);
  }

  all(method: string): readonly JsonObject[] {
    return this.messages.filter((message) => message['method'] === method);
  }

  /** The message that answers; rejects when the exchange ends without one. */
  async final(withinMs?: number): Promise<JsonObject> {
    const answer = (): JsonObject | undefined =>
      this.messages.find(
        (message) => message['method'] === undefined && ('result' in message || 'error' in message),
      );
    const found = await this.until(
      'the answer',
      () => answer() ?? (this.#ended ? 'none' : undefined),
      withinMs,
    );
    if (found === 'none')
      throw new Error(`ended without an answer: ${this.status} ${this.#text.slice(0, 600)}`);
    return found;
  }

  /** Waits until the server has ended the exchange. */
  async end(withinMs?: number): Promise<void> {
    await this.until('the end of the answer', () => this.#ended, withinMs);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    const parser = new SseParser(eventBytesMax);
    for await (const piece of this.#response.body ?? []) {
      const text = decoder.decode(piece, { stream: true });
      this.#text += text;
      if (this.isStream) {
        const events = parser.feed(text);
        if (isSseProblem(events)) throw new Error(events.problem);
        for (const { data, id } of events) {
          if (id !== undefined) this.eventIds.push(id);
          this.#took(data);
        }
      }
      this.#notice.tell();
    }
    if (!this.isStream) this.#took(this.#text);
  }

  #took(text: string): void {
    const message = parseJsonObject(text);
    if (!message) return;
    this.messages.push(message);
    this.onMessage?.(message);
    this.#notice.tell();
  }
}
