/** What an own child asks its client: sent on a stream of the session, answered by a message of the client, under ids of ours. */

import type { Span } from '@cruvero/core';
import type { Clock, Timer } from '@cruvero/ports';
import type { ChildRequest } from './conversation.ts';
import { isLarger, type Lane } from './event-stream.ts';
import { answerTowardsChild, towardsCaller } from './remap.ts';

/** What became of a question; `lost`: the client went away, `unheard`: it had no stream for it in time. */
export type QuestionOutcome = 'answered' | 'cancelled' | 'lost' | 'unheard' | 'refused';

export interface QuestionsParts {
  /** Unanswered ones of this child. */
  readonly questionsMax: number;
  /** How long one waits for a stream. */
  readonly waitMs: number;
  /** Of those that wait for a stream, together. */
  readonly waitingBytesMax: number;
  readonly clock: Clock;
  readonly newNumber: () => number;
  /** Where a question goes now; undefined where the client has nothing open. */
  readonly lane: () => Lane | undefined;
  /** A line to the child; false where it does not take it. */
  readonly write: (line: string) => boolean;
  readonly refuse: (idText: string, message: string) => void;
  readonly count: (outcome: QuestionOutcome) => void;
}

interface Question {
  /** The child's. */
  readonly idText: string;
  state:
    | { readonly at: 'waiting'; readonly text: string; readonly timer: Timer }
    | { readonly at: 'sent'; readonly lane: Lane };
}

export class Questions {
  readonly #parts: QuestionsParts;
  /** By our id as JSON, in the order in which they were asked. */
  readonly #open = new Map<string, Question>();
  #waitingBytes = 0;

  constructor(parts: QuestionsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size;
  }

  ask({ idText, id, text }: Pick<ChildRequest, 'idText' | 'id' | 'text'>): void {
    const { questionsMax, newNumber } = this.#parts;
    if (this.#open.size >= questionsMax)
      return this.#refuse(
        idText,
        `The client has ${questionsMax} questions to answer, the most it is given.`,
      );
    const ours = String(newNumber());
    const asked = towardsCaller(text, { span: id }, ours);
    const lane = this.#parts.lane();
    if (lane) this.#send(ours, idText, asked, lane);
    else this.#wait(ours, idText, asked);
  }

  #send(ours: string, idText: string, text: string, lane: Lane): void {
    if (lane.carry(text)) this.#open.set(ours, { idText, state: { at: 'sent', lane } });
    else this.#refuse(idText, 'The question is too large for the client, or the client does not read.');
  }

  #wait(ours: string, idText: string, text: string): void {
    const { clock, waitMs, waitingBytesMax } = this.#parts;
    if (isLarger(text, waitingBytesMax - this.#waitingBytes))
      return this.#refuse(idText, 'The client has no stream open, and too much waits for it.');
    const timer = clock.after(waitMs, () => {
      this.#close(ours);
      this.#parts.count('unheard');
      this.#parts.refuse(idText, `The client had no stream open for ${waitMs} ms.`);
    });
    this.#waitingBytes += Buffer.byteLength(text);
    this.#open.set(ours, { idText, state: { at: 'waiting', text, timer } });
  }

  #refuse(idText: string, message: string): void {
    this.#parts.count('refused');
    this.#parts.refuse(idText, message);
  }

  /** Forgets it, with all that it holds. */
  #close(ours: string): Question | undefined {
    const question = this.#open.get(ours);
    if (!question) return undefined;
    this.#open.delete(ours);
    if (question.state.at === 'waiting') {
      question.state.timer.cancel();
      this.#waitingBytes -= Buffer.byteLength(question.state.text);
    }
    return question;
  }

  /** The client has opened something: what waits goes there. */
  laneOpened(): void {
    for (const [ours, { idText, state }] of [...this.#open]) {
      const lane = state.at === 'waiting' ? this.#parts.lane() : undefined;
      if (!lane || state.at !== 'waiting') continue;
      this.#close(ours);
      this.#send(ours, idText, state.text, lane);
    }
  }

  /** The client went away from there without an answer to what was asked there. */
  laneLost(lane: Lane): void {
    for (const [ours, { idText, state }] of [...this.#open]) {
      if (state.at !== 'sent' || state.lane !== lane) continue;
      this.#close(ours);
      this.#parts.count('lost');
      this.#parts.refuse(idText, 'The client went away before it answered.');
    }
  }

  /** `ours` is the id of the client's response. `unknown`: nothing of that id is asked any more, or ever was. */
  answer(ours: string, text: string): 'taken' | 'not_taken' | 'unknown' {
    const question = this.#open.get(ours);
    if (!question) return 'unknown';
    if (!this.#parts.write(answerTowardsChild(text, question.idText))) return 'not_taken';
    this.#close(ours);
    this.#parts.count('answered');
    return 'taken';
  }

  /** The child does not want to know any more; `id` is where its id stands in `text`. */
  cancel(idText: string, id: Span, text: string): void {
    for (const [ours, question] of this.#open) {
      if (question.idText !== idText) continue;
      this.#close(ours);
      this.#parts.count('cancelled');
      if (question.state.at === 'waiting') return;
      const { lane } = question.state;
      (lane.open ? lane : this.#parts.lane())?.notify(towardsCaller(text, { span: id }, ours));
      return;
    }
  }

  /** The child is gone: nobody is left to be answered. */
  end(): void {
    for (const ours of [...this.#open.keys()]) {
      this.#close(ours);
      this.#parts.count('lost');
    }
  }
}
