/**
 * A modern caller's call to a server that may ask in the middle of it: the call waits here while its caller is given
 * `input_required` and comes back with the answers (MCP 2026-07-28, "Multi Round-Trip Requests").
 */

import {
  missingCapability,
  questionForModern,
  type Fault,
  type JsonObject,
  type KeyedQuestion,
  type Question,
  type Reply,
} from '@cruvero/core';
import type { Clock, Timer } from '@cruvero/ports';
import type { Deadline } from '../deadline.ts';
import { questionLost, questionRefused, type Caller } from './caller.ts';

/** How far a call came by the time its caller is to hear of it. */
export type Step =
  | { readonly at: 'done'; readonly outcome: Reply | Fault }
  | { readonly at: 'asking'; readonly questions: readonly KeyedQuestion[] };

/** A server may ask several things at once; so long after the last one its caller is told. */
const quietMs = 30;
const questionsMax = 64;

interface Open {
  readonly question: KeyedQuestion;
  readonly answer: (reply: Reply) => void;
}

export class ParkedCall implements Caller {
  readonly #capabilities: JsonObject;
  readonly #deadline: Deadline;
  readonly #clock: Clock;
  readonly #open = new Map<string, Open>();
  #asked = 0;
  #quiet: Timer | undefined;
  #outcome: Reply | Fault | undefined;
  #waiter: ((step: Step) => void) | undefined;
  #notify: (text: string) => void = () => undefined;

  constructor(capabilities: JsonObject, deadline: Deadline, clock: Clock) {
    this.#capabilities = capabilities;
    this.#deadline = deadline;
    this.#clock = clock;
  }

  notify(text: string): void {
    this.#notify(text);
  }

  async ask(question: Question, signal: AbortSignal): Promise<Reply> {
    const missing = missingCapability(question, this.#capabilities);
    if (missing) return questionRefused(question, missing);
    if (this.#open.size >= questionsMax) return questionLost('Too many questions to this client are open.');
    const key = `input_${++this.#asked}`;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const takeBack = (): void => resolve(questionLost('The question was taken back.'));
    this.#open.set(key, { question: { ...questionForModern(question), key }, answer: resolve });
    signal.addEventListener('abort', takeBack, { once: true });
    this.#deadline.pause();
    this.#soon();
    try {
      return await promise;
    } finally {
      this.#deadline.resume();
      signal.removeEventListener('abort', takeBack);
      this.#open.delete(key);
    }
  }

  /** The call has its outcome, which is kept for the next step where nobody waits for it. */
  settle(outcome: Reply | Fault): void {
    this.#outcome = outcome;
    this.#quiet?.cancel();
    this.#tell({ at: 'done', outcome });
  }

  /** The next thing that its caller is to hear; notifications until then go to `notify`. One waits at a time. */
  step(notify: (text: string) => void): Promise<Step> {
    this.#notify = notify;
    if (this.#outcome) return Promise.resolve({ at: 'done', outcome: this.#outcome });
    return new Promise((resolve) => {
      this.#waiter = resolve;
      if (this.#open.size > 0) this.#soon();
    });
  }

  /** Answers of the caller by key, as JSON text; keys that nobody asked for are passed over. */
  answer(responses: ReadonlyMap<string, string>): void {
    for (const [key, text] of responses) {
      const open = this.#open.get(key);
      this.#open.delete(key);
      open?.answer({ kind: 'result', text });
    }
  }

  /** Nobody will come back: what is asked is answered by an error. */
  abandon(): void {
    this.#quiet?.cancel();
    for (const open of this.#open.values()) open.answer(questionLost('The client did not come back.'));
    this.#open.clear();
  }

  #soon(): void {
    this.#quiet?.cancel();
    this.#quiet = this.#clock.after(quietMs, () => {
      const questions = [...this.#open.values()].map(({ question }) => question);
      if (questions.length > 0) this.#tell({ at: 'asking', questions });
    });
  }

  #tell(step: Step): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter) this.#notify = () => undefined;
    waiter?.(step);
  }
}
