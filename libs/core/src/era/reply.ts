/** Reads what an upstream sends back, keeping the result's text. */

import { foldedNames, nameTwin } from '../wire/folded-names.ts';
import { slicePieces, type Pieces, type ResultCut } from '../wire/result-bytes.ts';
import { isJsonProblem, stringAt, textOf, wholeObject, type Members } from '../wire/json-spans.ts';

export type Reply =
  /** `pieces` are the same as UTF-8, where they are at hand. */
  | { readonly kind: 'result'; readonly text: string; readonly pieces?: Pieces }
  | { readonly kind: 'error'; readonly code: number; readonly text: string };

/** A large result that may never be needed as text; its top level is known. */
export class BytesResult {
  readonly kind = 'result';
  readonly pieces: Pieces;
  readonly cut: Pick<ResultCut, 'names' | 'type'>;
  readonly #decode: (pieces: Pieces) => string;
  #text: string | undefined;

  /** `message` is the whole one, that the result was cut from. */
  constructor(message: Pieces, cut: ResultCut, decode: (pieces: Pieces) => string) {
    this.pieces = slicePieces(message, cut.start, cut.end);
    this.cut = cut;
    this.#decode = decode;
  }

  get text(): string {
    this.#text ??= this.#decode(this.pieces);
    return this.#text;
  }

  toJSON(): Reply {
    return { kind: 'result', text: this.text };
  }
}

export type UpstreamMessage =
  | (Reply & { readonly idText: string })
  | { readonly kind: 'notification'; readonly method: string; readonly text: string }
  | { readonly kind: 'request'; readonly idText: string; readonly method: string; readonly text: string }
  | { readonly kind: 'garbage'; readonly detail: string };

const resultHead = '{"result":';
const rpcHead = '{"jsonrpc":"2.0","id":';

/**
 * Reads one message. The two spellings that servers really use are cut without a full walk: only strings and braces are
 * followed, to be sure that what is cut out is one object and nothing beside it. What is wrong inside that object is for
 * its reader; text that is no JSON at all reaches only the caller who asked for it, inside its own answer.
 */
export function readUpstreamMessage(text: string, expectedIdText: string): UpstreamMessage {
  return cutResult(text, expectedIdText) ?? walk(text);
}

function cutResult(text: string, idText: string): UpstreamMessage | undefined {
  const tail = `,"jsonrpc":"2.0","id":${idText}}`;
  if (text.startsWith(resultHead) && text.endsWith(tail))
    return oneObject(text, idText, resultHead.length, text.length - tail.length);
  const head = `${rpcHead}${idText},"result":`;
  return text.startsWith(head) && text.endsWith('}')
    ? oneObject(text, idText, head.length, text.length - 1)
    : undefined;
}

function oneObject(text: string, idText: string, start: number, end: number): UpstreamMessage | undefined {
  return objectEnd(text, start) === end
    ? { kind: 'result', idText, text: text.slice(start, end) }
    : undefined;
}

/** Where the object at `start` ends in any text that is JSON; -1 where no object is or it has no end. */
function objectEnd(text: string, start: number): number {
  if (text[start] !== '{') return -1;
  let depth = 0;
  for (let i = start; i < text.length; i += 1) {
    const c = text.charCodeAt(i);
    if (c === 34) {
      i = stringEnd(text, i);
      if (i < 0) return -1;
    } else if (c === 123 || c === 91) depth += 1;
    else if (c === 125 || c === 93) {
      depth -= 1;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}

/** Most strings are short: so many characters are looked at one by one before the search for the far quote begins. */
const stepChars = 48;

/** Where the quote stands that ends the string which the quote at `at` begins; -1 where none does. */
function stringEnd(text: string, at: number): number {
  let i = at + 1;
  for (;;) {
    for (const stop = i + stepChars; i < stop; i += 1) {
      const c = text.charCodeAt(i);
      if (c === 34) return i;
      if (c === 92) i += 1;
    }
    const quote = text.indexOf('"', i);
    if (quote < 0) return -1;
    let before = quote;
    while (before > i && text.charCodeAt(before - 1) === 92) before -= 1;
    if ((quote - before) % 2 === 0) return quote;
    i = quote + 1;
  }
}

function walk(text: string): UpstreamMessage {
  const members = wholeObject(text);
  if (isJsonProblem(members))
    return { kind: 'garbage', detail: `${members.problem} (at character ${members.at})` };
  const ambiguous = ambiguity(members);
  if (ambiguous !== undefined) return { kind: 'garbage', detail: ambiguous };
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

const envelopeNames = foldedNames(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);

function ambiguity(members: Members): string | undefined {
  const twin = nameTwin(members, envelopeNames);
  if (twin) return `the member ${JSON.stringify(twin.twin.slice(0, 64))} may be taken for ${twin.of}`;
  const kinds = ['method', 'result', 'error'].filter((name) => members.has(name));
  return kinds.length > 1 ? `the message has both ${kinds.join(' and ')}` : undefined;
}

function readError(text: string): { readonly code: number; readonly text: string } {
  const members = wholeObject(text);
  const span = isJsonProblem(members) ? undefined : members.get('code');
  const code = span ? Number(textOf(text, span)) : Number.NaN;
  return Number.isInteger(code)
    ? { code, text }
    : { code: -32603, text: '{"code":-32603,"message":"The server answered an error without a code."}' };
}
