/** A caller with a session: its server's questions are real requests, put where the client listens. */

import { randomBytes } from 'node:crypto';
import {
  changeMembers,
  isJsonProblem,
  isObjectAt,
  missingCapability,
  notificationText,
  questionForLegacy,
  requestText,
  textOf,
  wholeObject,
  type GatewayId,
  type Question,
  type Reply,
} from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { Deadline } from '../deadline.ts';
import type { ClientSession } from '../sessions/client-session.ts';
import { questionLost, questionRefused, type Caller, type Progress } from './caller.ts';

/** Where one call's messages go. */
export interface CallOutlet {
  /** Shows the client a stream now, where it is one. */
  begin?(): void;
  notify(text: string): void;
  /** False: this exchange cannot carry a request. */
  ask(text: string): boolean;
}

export interface AskingParts {
  readonly clock: Clock;
  /** Stands in the id of each question, so that another replica knows where the answer belongs. */
  readonly gatewayId: GatewayId;
  /** How long a client may take to answer. */
  readonly questionMs: number;
  /** Puts a message on the session's own stream at another replica; false where none has it open. */
  readonly elsewhere: (uid: string, text: string) => Promise<boolean>;
}

/** Questions that one session has open at a time. */
const questionsMax = 64;

export class LegacyCaller implements Caller {
  readonly #session: ClientSession;
  readonly #outlet: CallOutlet;
  readonly #deadline: Deadline | undefined;
  readonly #parts: AskingParts;

  /** Without a deadline: for what a server asks outside of any call. */
  constructor(
    session: ClientSession,
    outlet: CallOutlet,
    deadline: Deadline | undefined,
    parts: AskingParts,
  ) {
    this.#session = session;
    this.#outlet = outlet;
    this.#deadline = deadline;
    this.#parts = parts;
  }

  begin(): void {
    this.#outlet.begin?.();
  }

  notify(text: string): void {
    this.#outlet.notify(text);
  }

  async ask(question: Question, signal: AbortSignal, progress?: Progress): Promise<Reply> {
    const missing = missingCapability(question, this.#session.facts.clientCapabilities);
    if (missing) return questionRefused(question, missing);
    const { questions } = this.#session.work();
    if (questions.size >= questionsMax) return questionLost('Too many questions to this client are open.');
    const idText = questionId(this.#parts.gatewayId);
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const token = progress && progressTokenOf(question);
    questions.set(idText, {
      answer: resolve,
      progress: token === undefined ? undefined : (text) => progress?.(withToken(text, token)),
    });
    const giveUp = (): void => {
      resolve(questionLost('The question was taken back, or not answered in time.'));
      void this.#put(notificationText('notifications/cancelled', `{"requestId":${idText}}`));
    };
    const timer = this.#parts.clock.after(this.#parts.questionMs, giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
    this.#deadline?.pause();
    try {
      const asked = token === undefined ? question : withOwnToken(question, idText);
      const own = questionForLegacy(asked, randomBytes(12).toString('base64url'));
      if (!(await this.#put(requestText(idText, own.method, own.paramsText))))
        return questionLost('The client has no stream open over which it could be asked.');
      return await promise;
    } finally {
      this.#deadline?.resume();
      signal.removeEventListener('abort', giveUp);
      timer.cancel();
      questions.delete(idText);
    }
  }

  #put(text: string): boolean | Promise<boolean> {
    if (this.#outlet.ask(text) || this.#session.stream?.send(text) === true) return true;
    return this.#parts.elsewhere(this.#session.uid, text);
  }
}

/** The server's token for how far the answer is, as JSON text. */
function progressTokenOf({ paramsText }: Question): string | undefined {
  const meta = metaOf(paramsText);
  const members = meta === undefined ? undefined : wholeObject(meta);
  const span = members === undefined || isJsonProblem(members) ? undefined : members.get('progressToken');
  return meta !== undefined && span ? textOf(meta, span) : undefined;
}

/** Two servers may use the same token; towards the client each question has its own, its id. */
function withOwnToken(question: Question, idText: string): Question {
  const meta = metaOf(question.paramsText) ?? '{}';
  const _meta = changeMembers(meta, { progressToken: idText });
  return { ...question, paramsText: changeMembers(question.paramsText, { _meta }) };
}

function withToken(paramsText: string, tokenText: string): string {
  return changeMembers(paramsText, { progressToken: tokenText });
}

function metaOf(paramsText: string): string | undefined {
  const members = wholeObject(paramsText);
  const span = isJsonProblem(members) ? undefined : members.get('_meta');
  return span && isObjectAt(paramsText, span) ? textOf(paramsText, span) : undefined;
}

const questionIdShape = /^"q:([A-Za-z0-9_-]{1,63}):[A-Za-z0-9_-]{16}"$/;

function questionId(gatewayId: GatewayId): string {
  return `"q:${gatewayId}:${randomBytes(12).toString('base64url')}"`;
}

/** The replica that put the question of this id, undefined for an id that no gateway made. */
export function askerOf(idText: string): string | undefined {
  return questionIdShape.exec(idText)?.[1];
}
