/** The questions of a server that are out: each is answered once, or taken back, and none is left waiting. */

import {
  isJsonProblem,
  isObjectAt,
  isQuestionMethod,
  notificationText,
  textOf,
  wholeObject,
  type Reply,
} from '@cruvero/core';
import type { AnswerQuestion } from './ask.ts';
import type { ServerRequest } from './exchange.ts';

/** Questions of one call, or of one feed, at a time. */
export const questionsOutMax = 64;

export interface QuestionsParts {
  /** Undefined: nobody can be asked. */
  readonly answer: AnswerQuestion | undefined;
  /** Posts a response to the server. */
  readonly tell: (body: string) => Promise<void>;
  /** Called when a question goes out; what it returns, when it is done with. */
  readonly hold: () => () => void;
}

export class Questions {
  readonly #parts: QuestionsParts;
  /** By the server's own id, as JSON text. */
  readonly #out = new Map<string, AbortController>();
  #ended = false;

  constructor(parts: QuestionsParts) {
    this.#parts = parts;
  }

  get canAnswer(): boolean {
    return this.#parts.answer !== undefined && !this.#ended;
  }

  take(request: ServerRequest): void {
    if (this.#out.has(request.idText)) return; // a stream that was resumed may repeat it
    const { answer } = this.#parts;
    if (answer === undefined || this.#ended || !isQuestionMethod(request.method))
      return void this.#parts.tell(refusal(request));
    if (this.#out.size >= questionsOutMax)
      return void this.#parts.tell(
        errorText(request.idText, -32603, 'Too many questions wait for an answer.'),
      );
    const paramsText = paramsOf(request.text);
    if (paramsText === undefined)
      return void this.#parts.tell(errorText(request.idText, -32602, 'params is an object.'));
    void this.#ask(request, answer, paramsText);
  }

  async #ask({ idText, method }: ServerRequest, answer: AnswerQuestion, paramsText: string): Promise<void> {
    const abort = new AbortController();
    this.#out.set(idText, abort);
    const release = this.#parts.hold();
    const progress = (own: string): void => {
      if (!abort.signal.aborted) void this.#parts.tell(notificationText('notifications/progress', own));
    };
    const reply = await answer({ method, paramsText }, abort.signal, progress).catch(failed);
    if (!abort.signal.aborted) await this.#parts.tell(responseText(idText, reply));
    if (this.#out.get(idText) === abort) this.#out.delete(idText);
    release();
  }

  /** The server takes a question back. True where it was out here. */
  cancel(idText: string): boolean {
    const abort = this.#out.get(idText);
    this.#out.delete(idText);
    abort?.abort();
    return abort !== undefined;
  }

  /** Takes all back; nothing is told to the server any more. */
  end(): void {
    this.#ended = true;
    for (const idText of [...this.#out.keys()]) this.cancel(idText);
  }
}

/** What is answered to a request that nobody is asked about. */
export function refusal({ idText, method }: ServerRequest): string {
  if (method === 'ping') return responseText(idText, { kind: 'result', text: '{}' });
  return errorText(
    idText,
    -32601,
    `This client does not serve ${method.slice(0, 64).replace(/[^\w/]/g, '')}.`,
  );
}

/** Id, as JSON text, of the request that the server takes back; undefined where the notification says none. */
export function cancelledId(noteText: string): string | undefined {
  const params = paramsOf(noteText);
  const members = params === undefined ? undefined : wholeObject(params);
  if (params === undefined || members === undefined || isJsonProblem(members)) return undefined;
  const span = members.get('requestId');
  return span && textOf(params, span);
}

const failed = (): Reply => ({
  kind: 'error',
  code: -32603,
  text: '{"code":-32603,"message":"The question could not be put to the client."}',
});

function responseText(idText: string, reply: Reply): string {
  return `{"jsonrpc":"2.0","id":${idText},"${reply.kind}":${reply.text}}`;
}

function errorText(idText: string, code: number, message: string): string {
  return responseText(idText, { kind: 'error', code, text: JSON.stringify({ code, message }) });
}

/** `{}` where there are none, undefined where they are no object, or ambiguous. */
function paramsOf(text: string): string | undefined {
  const members = wholeObject(text);
  const span = isJsonProblem(members) ? undefined : members.get('params');
  if (span === undefined) return '{}';
  const own = isObjectAt(text, span) ? textOf(text, span) : undefined;
  return own === undefined || isJsonProblem(wholeObject(own)) ? undefined : own;
}
