/** Reads what an upstream sends back, keeping the result's text. */

import { isJsonProblem, stringAt, textOf, wholeObject } from '../wire/json-spans.ts';

export type Reply =
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'error'; readonly code: number; readonly text: string };

export type UpstreamMessage =
  | (Reply & { readonly idText: string })
  | { readonly kind: 'notification'; readonly method: string; readonly text: string }
  | { readonly kind: 'request'; readonly idText: string; readonly method: string; readonly text: string }
  | { readonly kind: 'garbage'; readonly detail: string };

const resultHead = '{"result":';
const rpcHead = '{"jsonrpc":"2.0","id":';

/**
 * Reads one message. The two spellings that servers really use are cut without a walk through the text: a 256 KiB result
 * then costs two comparisons. It is sound because a JSON text that begins and ends so can have nothing but the result
 * between (an unescaped quote cannot stand inside a string); text that is no JSON at all reaches only the caller who
 * asked for it, inside its own answer.
 */
export function readUpstreamMessage(text: string, expectedIdText: string): UpstreamMessage {
  return cutResult(text, expectedIdText) ?? walk(text);
}

function cutResult(text: string, idText: string): UpstreamMessage | undefined {
  const tail = `,"jsonrpc":"2.0","id":${idText}}`;
  if (text.startsWith(resultHead) && text.endsWith(tail)) {
    return { kind: 'result', idText, text: text.slice(resultHead.length, text.length - tail.length) };
  }
  const head = `${rpcHead}${idText},"result":`;
  if (text.startsWith(head) && text.endsWith('}}')) {
    const result = text.slice(head.length, -1);
    // A member behind the result would also end in two braces; only a walk can tell.
    return result.lastIndexOf('},"') < 0 ? { kind: 'result', idText, text: result } : undefined;
  }
  return undefined;
}

function walk(text: string): UpstreamMessage {
  const members = wholeObject(text);
  if (isJsonProblem(members))
    return { kind: 'garbage', detail: `${members.problem} (at character ${members.at})` };
  const id = members.get('id');
  const idText = id && textOf(text, id);
  const method = stringAt(text, members.get('method'));
  if (method !== undefined) {
    return idText === undefined
      ? { kind: 'notification', method, text }
      : { kind: 'request', idText, method, text };
  }
  const result = members.get('result');
  if (result && idText !== undefined) return { kind: 'result', idText, text: textOf(text, result) };
  const error = members.get('error');
  if (error) return { kind: 'error', idText: idText ?? 'null', ...readError(textOf(text, error)) };
  return { kind: 'garbage', detail: 'the message is neither request, notification nor response' };
}

function readError(text: string): { readonly code: number; readonly text: string } {
  const members = wholeObject(text);
  const span = isJsonProblem(members) ? undefined : members.get('code');
  const code = span ? Number(textOf(text, span)) : Number.NaN;
  return Number.isInteger(code)
    ? { code, text }
    : { code: -32603, text: '{"code":-32603,"message":"The server answered an error without a code."}' };
}
