/**
 * Ids between many callers and one child, on the text: callers choose their ids and progress tokens freely, the child must
 * see each one only once (MCP 2026-07-28, stdio "Multiplexing"). Everything else stays to the letter.
 */

import {
  changeMembers,
  isJsonProblem,
  isObjectAt,
  metaKeys,
  objectMembers,
  splice,
  stringAt,
  textOf,
  wholeObject,
  type Edit,
  type Members,
  type RequestMessage,
  type Span,
} from '@cruvero/core';

export interface Sent {
  /** One line, without its end. */
  readonly line: string;
  /** The caller's token as JSON, where it gave one. */
  readonly tokenText: string | undefined;
}

/** The request with `number` as its id and its progress token, and the trace of this hop where there is one. */
export function towardsChild(message: RequestMessage, number: number, traceparent?: string): Sent {
  const { text } = message;
  const members = objectMembers(text, text.indexOf('{'));
  const id = isJsonProblem(members) ? undefined : members.get('id');
  if (isJsonProblem(members) || !id)
    throw new Error('towardsChild needs a request that readMessage has read');
  const edits: Edit[] = [{ span: id, text: String(number) }];
  const tokenText = metaMember(message.params.text, message.params.members, 'progressToken');
  const trace = traceparent === undefined ? {} : { traceparent: JSON.stringify(traceparent) };
  const params = members.get('params');
  if (tokenText !== undefined || traceparent !== undefined) {
    const changes = { ...(tokenText === undefined ? {} : { progressToken: String(number) }), ...trace };
    const changed = withMeta(message.params.text, message.params.members, changes);
    if (params) edits.push({ span: params, text: changed });
    else edits.push({ span: { start: id.end, end: id.end }, text: `,"params":${changed}` });
  }
  return { line: asLine(splice(text, edits)), tokenText };
}

/** JSON on one line: a line break can stand between its tokens only, never inside a string. */
export function asLine(json: string): string {
  return /[\r\n]/.test(json) ? json.replace(/[\r\n]+/g, ' ') : json;
}

function withMeta(paramsText: string, members: Members, changes: Readonly<Record<string, string>>): string {
  const meta = members.get('_meta');
  const metaText = meta && isObjectAt(paramsText, meta) ? textOf(paramsText, meta) : '{}';
  return changeMembers(paramsText, { _meta: changeMembers(metaText, changes) });
}

function metaMember(paramsText: string, members: Members, name: string): string | undefined {
  const span = memberOf(paramsText, members.get('_meta'), name);
  return span && textOf(paramsText, span);
}

/** The member's span in the same text; undefined where there is none. */
function memberOf(text: string, object: Span | undefined, name: string): Span | undefined {
  if (object === undefined || !isObjectAt(text, object)) return undefined;
  const members = objectMembers(text, object.start);
  return isJsonProblem(members) ? undefined : members.get(name);
}

/** A number of ours that a message of the child refers to, and where it stands. */
export interface Reference {
  readonly number: number;
  readonly span: Span;
}

export type FromChild =
  | { readonly kind: 'answer'; readonly reference: Reference; readonly errorCode: number | undefined }
  /** `id` is where the child's own id stands, of the request that it makes or of the one that it takes back. */
  | { readonly kind: 'request'; readonly idText: string; readonly id: Span; readonly method: string }
  | { readonly kind: 'cancelled'; readonly idText: string; readonly id: Span }
  | {
      readonly kind: 'notification';
      readonly method: string;
      /** Undefined where it speaks of no request. `token` means that the caller knows it by its progress token. */
      readonly about: (Reference & { readonly by: 'token' | 'id' }) | undefined;
    }
  | { readonly kind: 'noise' };

const answerTail = /,"jsonrpc":"2\.0","id":([0-9]{1,15})\}$/;
const answerHead = /^\{"jsonrpc":"2\.0","id":([0-9]{1,15}),"result":/;

/**
 * Reads one line of a child. The two ways in which servers really write an answer are recognised by its ends, so a long
 * result is not walked through; if such a text is no JSON, only the caller who asked for it sees that.
 */
export function readFromChild(line: string): FromChild {
  return quickAnswer(line) ?? walk(line);
}

function quickAnswer(line: string): FromChild | undefined {
  const tail = line.startsWith('{"result":') ? answerTail.exec(line.slice(-48)) : null;
  if (tail?.[1] !== undefined) {
    const end = line.length - 1;
    return answer({ start: end - tail[1].length, end }, tail[1], undefined);
  }
  const head = line.endsWith('}') ? answerHead.exec(line.slice(0, 64)) : null;
  if (head?.[1] === undefined) return undefined;
  const start = '{"jsonrpc":"2.0","id":'.length;
  return answer({ start, end: start + head[1].length }, head[1], undefined);
}

function answer(span: Span, digits: string, errorCode: number | undefined): FromChild {
  return { kind: 'answer', reference: { number: Number(digits), span }, errorCode };
}

function walk(line: string): FromChild {
  const members = wholeObject(line);
  if (isJsonProblem(members)) return { kind: 'noise' };
  const id = members.get('id');
  const method = stringAt(line, members.get('method'));
  if (method !== undefined) {
    if (id) return { kind: 'request', idText: textOf(line, id), id, method };
    if (method === 'notifications/cancelled') return cancelled(line, members.get('params'));
    return { kind: 'notification', method, about: subject(line, method, members.get('params')) };
  }
  const reference = numberAt(line, id);
  if (!reference || members.has('result') === members.has('error')) return { kind: 'noise' };
  return { kind: 'answer', reference, errorCode: errorCode(line, members.get('error')) };
}

function errorCode(line: string, error: Span | undefined): number | undefined {
  if (error === undefined) return undefined;
  const span = memberOf(line, error, 'code');
  const code = span ? Number(textOf(line, span)) : Number.NaN;
  return Number.isInteger(code) ? code : -32603;
}

type Subject = Extract<FromChild, { kind: 'notification' }>['about'];

function subject(line: string, method: string, params: Span | undefined): Subject {
  if (method === 'notifications/progress') {
    const token = numberAt(line, memberOf(line, params, 'progressToken'));
    return token && { ...token, by: 'token' };
  }
  const id = memberOf(line, memberOf(line, params, '_meta'), metaKeys.subscriptionId);
  const reference = numberAt(line, id);
  return reference && { ...reference, by: 'id' };
}

/** Whose id it names is for the reader to find out: its own question's, or the subscription's that it ends. */
function cancelled(line: string, params: Span | undefined): FromChild {
  const id = memberOf(line, params, 'requestId');
  return id ? { kind: 'cancelled', idText: textOf(line, id), id } : { kind: 'noise' };
}

/** A string parameter of a child's message; undefined where there is none. */
export function childParam(line: string, name: string): string | undefined {
  const members = wholeObject(line);
  if (isJsonProblem(members)) return undefined;
  return stringAt(line, memberOf(line, members.get('params'), name));
}

/** The caller's answer with the id by which the child asked. */
export function answerTowardsChild(text: string, idText: string): string {
  return asLine(changeMembers(text.trim(), { id: idText }));
}

function numberAt(line: string, span: Span | undefined): Reference | undefined {
  const digits = span && textOf(line, span);
  return span && digits && /^[0-9]{1,15}$/.test(digits) ? { number: Number(digits), span } : undefined;
}

/** The line with the caller's own id or token where ours stood, or ours where the child's stood. */
export function towardsCaller(line: string, reference: Pick<Reference, 'span'>, ownText: string): string {
  return splice(line, [{ span: reference.span, text: ownText }]);
}

/** The end of a subscription names its request twice: as the answer's id, and in the result's `_meta`. */
export function endOfSubscription(answerText: string, number: number, idText: string): string {
  const members = wholeObject(answerText);
  if (isJsonProblem(members)) return answerText;
  const meta = memberOf(answerText, members.get('result'), '_meta');
  const reference = numberAt(answerText, memberOf(answerText, meta, metaKeys.subscriptionId));
  return reference?.number === number ? towardsCaller(answerText, reference, idText) : answerText;
}
