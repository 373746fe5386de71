/** Reads one JSON-RPC message from text, strictly, keeping the text (JSON-RPC 2.0 §4, §5; MCP "Messages"). */

import type { Fault } from '../model/fault.ts';
import { foldedNames, nameTwin } from '../wire/folded-names.ts';
import {
  isArrayAt,
  isJsonProblem,
  isObjectAt,
  objectMembers,
  stringAt,
  textOf,
  wholeObject,
  wholeValue,
  type Members,
  type Span,
} from '../wire/json-spans.ts';

export interface RequestMessage {
  readonly kind: 'request';
  readonly text: string;
  /** As spelled by the sender: `1`, `"a"`; goes back to it letter by letter. */
  readonly idText: string;
  readonly method: string;
  readonly params: Params;
}
export interface NotificationMessage {
  readonly kind: 'notification';
  readonly text: string;
  readonly method: string;
  readonly params: Params;
}
export interface ResponseMessage {
  readonly kind: 'response';
  readonly text: string;
  readonly idText: string;
  readonly isError: boolean;
}
export type Message = RequestMessage | NotificationMessage | ResponseMessage;

/** The params object: its text and where its members stand in that text. */
export interface Params {
  readonly text: string;
  readonly members: Members;
}

const noParams: Params = { text: '{}', members: new Map() };

const bad = (detail: string): Fault => ({ fault: 'bad_request', detail });
const quoted = (name: string): string => JSON.stringify(name.slice(0, 64));

const envelopeNames = foldedNames(['jsonrpc', 'id', 'method', 'params', 'result', 'error']);
/** Parameters that decide whose the call is and what it may do, here or at its server. */
const paramNames = foldedNames([
  '_meta',
  'name',
  'arguments',
  'uri',
  'cursor',
  'ref',
  'argument',
  'level',
  'taskId',
  'notifications',
  'inputResponses',
  'requestState',
  'protocolVersion',
  'capabilities',
  'clientInfo',
  'requestId',
]);

/** True where the text is a JSON array: a batch, which only 2025-03-26 knows. */
export function isBatch(text: string): boolean {
  return /^[ \t\r\n]*\[/.test(text);
}

/** One message, or a fault that says what is wrong with it. Unknown members pass. */
export function readMessage(text: string): Message | Fault {
  if (isBatch(text)) {
    return {
      fault: 'batch_refused',
      detail: 'Batches are not served here; send one message in one request.',
    };
  }
  const members = wholeObject(text);
  return isJsonProblem(members) ? jsonFault(text, members.problem, members.at) : shape(text, members);
}

/** Valid JSON that is not a message is a bad request; anything else is bad JSON. */
function jsonFault(text: string, problem: string, at: number): Fault {
  const detail = `${problem} (at character ${at})`;
  return isJsonProblem(wholeValue(text))
    ? { fault: 'bad_json', detail }
    : bad(`Not a JSON-RPC message: ${detail}.`);
}

function shape(text: string, members: Members): Message | Fault {
  const ambiguous = nameTwin(members, envelopeNames);
  if (ambiguous) {
    return bad(
      `The member ${quoted(ambiguous.twin)} is ambiguous; JSON-RPC names are lower case (${ambiguous.of}).`,
    );
  }
  if (stringAt(text, members.get('jsonrpc')) !== '2.0') return bad('A message needs "jsonrpc": "2.0".');
  const idText = readId(text, members.get('id'));
  if (typeof idText === 'object') return idText;
  if (!members.has('method')) return readResponse(text, members, idText);
  const method = stringAt(text, members.get('method'));
  if (method === undefined || method === '' || method.length > 256)
    return bad('"method" is a string of 1 to 256 characters.');
  if (members.has('result') || members.has('error'))
    return bad('A message is a request or a response, not both.');
  const params = readParams(text, members.get('params'));
  if ('fault' in params) return params;
  return idText === undefined
    ? { kind: 'notification', text, method, params }
    : { kind: 'request', text, idText, method, params };
}

function readId(text: string, span: Span | undefined): string | undefined | Fault {
  if (span === undefined) return undefined;
  const raw = textOf(text, span);
  if (raw.length > 1_024) return bad('"id" is at most 1,024 characters long.');
  if (raw.startsWith('"') || /^-?[0-9]+$/.test(raw)) return raw;
  return bad('"id" is a string or an integer; it may not be null, a fraction, or anything else.');
}

function readParams(text: string, span: Span | undefined): Params | Fault {
  if (span === undefined) return noParams;
  if (!isObjectAt(text, span)) {
    return isArrayAt(text, span)
      ? { fault: 'bad_params', detail: '"params" is an object; positional parameters are not MCP.' }
      : { fault: 'bad_params', detail: '"params" is an object.' };
  }
  const own = textOf(text, span);
  const members = objectMembers(own, 0);
  if (isJsonProblem(members)) return bad(`"params" is ambiguous: ${members.problem}.`);
  const ambiguous = nameTwin(members, paramNames);
  if (ambiguous)
    return bad(`"params" is ambiguous: ${quoted(ambiguous.twin)} may be taken for ${ambiguous.of}.`);
  return { text: own, members };
}

function readResponse(text: string, members: Members, idText: string | undefined): ResponseMessage | Fault {
  const isError = members.has('error');
  if (isError === members.has('result'))
    return bad('A message needs "method", or exactly one of "result" and "error".');
  if (idText === undefined) return bad('A response needs the "id" of its request.');
  return { kind: 'response', text, idText, isError };
}

/** The string parameter of this name; undefined where it is missing or not a string. */
export function stringParam(params: Params, name: string): string | undefined {
  return stringAt(params.text, params.members.get(name));
}

/** The text of a parameter, exactly as sent. */
export function paramText(params: Params, name: string): string | undefined {
  const span = params.members.get(name);
  return span && textOf(params.text, span);
}

/** Params with members set or taken out, the rest to the letter. */
export function paramsFrom(text: string): Params {
  const members = objectMembers(text, 0);
  if (isJsonProblem(members)) throw new Error(`params must be an object: ${members.problem}`);
  return { text, members };
}
