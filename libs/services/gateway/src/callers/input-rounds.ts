/** A modern server's questions to a legacy caller: each is put as a real request, the answers go up with the next round. */

import {
  faultData,
  faultMessage,
  faultTable,
  isFault,
  readInputRequired,
  retryParams,
  type Fault,
  type KeyedQuestion,
  type Params,
  type Question,
  type Reply,
} from '@cruvero/core';
import type { Answer } from '@cruvero/upstream';
import { errorReply } from './caller.ts';

export interface RoundParts {
  readonly request: (params: Params) => Promise<Answer | Fault>;
  readonly ask: (question: Question) => Promise<Reply>;
  readonly pause: (delayMs: number) => Promise<void>;
  readonly server: string;
  /** Of the call. */
  readonly method: string;
}

/** A server that still asks after so many rounds is given up. */
const roundsMax = 16;
/** A server may want no answer but only to be asked again. */
const againAfterMs = 250;

/** `first` is what the server answered to `params`; the outcome is never a request for input. */
export async function answerRounds(
  first: Answer,
  params: Params,
  parts: RoundParts,
): Promise<Answer | Fault> {
  let answer = first;
  for (let round = 0; round < roundsMax; round += 1) {
    const required = answer.reply.kind === 'result' ? readInputRequired(answer.reply.text) : undefined;
    if (!required) return answer;
    if ('problem' in required)
      return broken(parts, `its request for input cannot be read: ${required.problem}`);
    const answers = await askAll(required.questions, parts);
    if (isReply(answers)) return { ...answer, reply: answers };
    if (required.questions.length === 0) await parts.pause(againAfterMs);
    const next = await parts.request(retryParams(params, answers, required.state));
    if (isFault(next)) return next;
    answer = next;
  }
  return { ...answer, reply: endless(parts) };
}

/** All answers by key, or the error that the first question without one brings to the call. */
async function askAll(
  questions: readonly KeyedQuestion[],
  parts: RoundParts,
): Promise<ReadonlyMap<string, string> | Reply> {
  const replies = await Promise.all(
    questions.map(async (question) => ({ question, reply: await parts.ask(question) })),
  );
  const answers = new Map<string, string>();
  for (const { question, reply } of replies) {
    if (reply.kind === 'error') return unanswered(question, reply, parts.method);
    answers.set(question.key, reply.text);
  }
  return answers;
}

/** The client's own words stay; what they are about is said besides. */
function unanswered(question: Question, reply: Extract<Reply, { kind: 'error' }>, method: string): Reply {
  const said = (JSON.parse(reply.text) as { message?: unknown }).message;
  const message = `The server asked for input (${question.method}), and the client answered with an error: ${String(said ?? reply.code).slice(0, 500)}`;
  // A tool that cannot do its work says so in its result, where the model reads it.
  if (method === 'tools/call')
    return {
      kind: 'result',
      text: JSON.stringify({ content: [{ type: 'text', text: message }], isError: true }),
    };
  return errorReply(-32603, message);
}

/** The server did its part each time, so this speaks neither against it nor for another attempt: an answer, not a fault. */
function endless(parts: RoundParts): Reply {
  const fault = broken(parts, `it still asks for input after ${roundsMax} rounds`);
  const { code } = faultTable[fault.fault];
  return {
    kind: 'error',
    code,
    text: JSON.stringify({ code, message: faultMessage(fault), data: faultData(fault) }),
  };
}

function broken({ server }: RoundParts, detail: string): Fault {
  return { fault: 'upstream_broken', server, detail };
}

function isReply(value: ReadonlyMap<string, string> | Reply): value is Reply {
  return 'kind' in value;
}
