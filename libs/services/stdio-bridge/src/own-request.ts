/** Requests of the bridge itself to a child: the handshake and the listing. */

import { isFault, isJsonProblem, readMessage, textOf, wholeObject, type RequestMessage } from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { Conversation } from './conversation.ts';

export type OwnReply =
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  | { readonly kind: 'silent'; readonly detail: string };

/** Never rejects. `paramsText` is JSON. */
export function askChild(
  conversation: Conversation,
  method: string,
  paramsText: string,
  timeoutMs: number,
  clock: Clock,
): Promise<OwnReply> {
  return new Promise((resolve) => {
    const timer = clock.after(timeoutMs, () => {
      if (typeof number === 'number' && method !== 'initialize') conversation.cancel(number, 'timeout');
      resolve({ kind: 'silent', detail: `it did not answer ${method} within ${timeoutMs} ms` });
    });
    const done = (reply: OwnReply): void => {
      timer.cancel();
      resolve(reply);
    };
    const number = conversation.ask(ownMessage(method, paramsText), {
      session: undefined,
      isBridge: true,
      onNotification: () => undefined,
      onAnswer: (text) => done(readReply(text)),
      onGone: (detail) => done({ kind: 'silent', detail }),
    });
    if (typeof number === 'string') done({ kind: 'silent', detail: `it takes no ${method} now` });
  });
}

function ownMessage(method: string, paramsText: string): RequestMessage {
  const text = `{"jsonrpc":"2.0","id":0,"method":${JSON.stringify(method)},"params":${paramsText}}`;
  const message = readMessage(text);
  if (isFault(message) || message.kind !== 'request') throw new Error(`not a request: ${text}`);
  return message;
}

function readReply(text: string): OwnReply {
  const members = wholeObject(text);
  if (isJsonProblem(members)) return { kind: 'silent', detail: `its answer is not JSON: ${members.problem}` };
  const result = members.get('result');
  if (result) return { kind: 'result', text: textOf(text, result) };
  const error = members.get('error');
  const value: unknown = error && JSON.parse(textOf(text, error));
  const { code, message } = (typeof value === 'object' && value !== null ? value : {}) as Readonly<
    Record<string, unknown>
  >;
  return {
    kind: 'error',
    code: typeof code === 'number' ? code : -32603,
    message: typeof message === 'string' ? message.slice(0, 200) : 'no message',
  };
}
