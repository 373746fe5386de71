/** Who made a call, as its server sees them: somebody to tell things while it runs, and perhaps to ask. */

import type { Fault, Question, Reply } from '@cruvero/core';

/** Takes the params of a progress notification, with the token that stands in the question. */
export type Progress = (paramsText: string) => void;

export interface Caller {
  /** Opens the caller's stream before there is anything to tell: the answer will take a while, and can be come back for. */
  begin?(): void;
  /** Hands a notification about this call to its caller; dropped where the caller takes no stream. */
  notify(text: string): void;
  /**
   * Puts a question of the server to the caller. Always resolves: a question that cannot be put, or that `signal` took back, is
   * answered with an error. Questions may be put together. `progress` is told how far the answer is, where the caller says so.
   */
  ask(question: Question, signal: AbortSignal, progress?: Progress): Promise<Reply>;
}

/** JSON-RPC codes of answers made here in place of the client's: that of a method which the client does not serve, and of refusals. */
const notServed = -32601;
const notAnswered = -32000;

/** What a caller is told of a bug. */
export const failedInside: Fault = { fault: 'internal', detail: 'the gateway failed; its log says more' };

export function errorReply(code: number, message: string): Reply {
  return { kind: 'error', code, text: JSON.stringify({ code, message }) };
}

export function questionRefused(question: Question, capability: object): Reply {
  const needed = Object.keys(capability).join(', ');
  return errorReply(
    notServed,
    `${question.method} needs the client capability ${needed}, which this client did not declare.`,
  );
}

export function questionLost(detail: string): Reply {
  return errorReply(notAnswered, detail);
}

/** For calls that come in one plain request and want one plain answer. */
export const silentCaller: Caller = {
  notify: () => undefined,
  ask: (question) =>
    Promise.resolve(errorReply(notServed, `This client does not serve ${question.method.slice(0, 64)}.`)),
};
