/** Everything that reached the suite's servers, to the letter: what a gateway really sent. */

import type { JsonObject } from '@cruvero/core';
import { Notice } from '../notice.ts';
import type { ServerKind } from '../target.ts';

export interface Heard {
  readonly server: ServerKind;
  /** Of the HTTP request, lower case; empty over stdio. */
  readonly headers: Readonly<Record<string, string>>;
  /** The message as it came. */
  readonly text: string;
  readonly message: JsonObject;
  /** `cancelled`: by a message; `gone`: the connection was closed before there was an answer. */
  end: 'running' | 'answered' | 'cancelled' | 'gone';
}

const heardMax = 50_000;

export class Hearing {
  readonly all: Heard[] = [];
  readonly notice = new Notice();

  add(heard: Heard): void {
    if (this.all.length < heardMax) this.all.push(heard);
    this.notice.tell();
  }

  ended(heard: Heard, end: Heard['end']): void {
    if (heard.end !== 'running') return;
    heard.end = end;
    this.notice.tell();
  }

  /** Requests that hold this word. Every check marks its calls with a word of its own. */
  of(tag: string, method = 'tools/call'): readonly Heard[] {
    return this.all.filter(({ message, text }) => message['method'] === method && text.includes(tag));
  }

  /** Waits for the first request that holds the word. */
  first(tag: string, method = 'tools/call'): Promise<Heard> {
    return this.notice.until(`the server hears ${method} ${tag}`, () => this.of(tag, method)[0]);
  }

  /** Waits until the first request that holds the word has this end. */
  async untilEnd(tag: string, ends: readonly Heard['end'][], method = 'tools/call'): Promise<Heard> {
    const heard = await this.first(tag, method);
    const what = (): string =>
      `${method} ${tag} at ${heard.server} is ${ends.join(' or ')}; it is ${heard.end}`;
    await this.notice.until(what, () => ends.includes(heard.end));
    return heard;
  }
}
