/** What a server asks of the client in the middle of a call, in both eras' spelling (MCP 2026-07-28, "Multi round-trip requests"). */

import { parseJsonObject } from '../model/json.ts';
import {
  arrayElements,
  isArrayAt,
  isJsonProblem,
  isObjectAt,
  mayMention,
  objectMembers,
  stringAt,
  textOf,
  wholeObject,
  type Members,
  type Span,
} from '../wire/json-spans.ts';
import { changeMembers } from '../wire/splice.ts';
import { paramsFrom, stringParam, type Params } from './message.ts';

/** A request of a server to the client: its method and the text of its params. */
export interface Question {
  readonly method: string;
  readonly paramsText: string;
}

/** A question inside a result, under the name that its answer must bear. */
export interface KeyedQuestion extends Question {
  readonly key: string;
}

interface Problem {
  readonly problem: string;
}

/** Most questions, and most answers, of one round. */
export const questionsMax = 64;

const questionMethods: ReadonlySet<string> = new Set([
  'elicitation/create',
  'sampling/createMessage',
  'roots/list',
]);

/** True for what a server may ask of a client. */
export function isQuestionMethod(method: string): boolean {
  return questionMethods.has(method);
}

export interface InputRequired {
  readonly questions: readonly KeyedQuestion[];
  /** To be given back exactly; undefined where the server gave none. */
  readonly state: string | undefined;
}

/** What an `input_required` result asks; undefined for any other result, a problem where it breaks the protocol. */
export function readInputRequired(resultText: string): InputRequired | Problem | undefined {
  if (!mayMention(resultText, 'input_required')) return undefined;
  const members = wholeObject(resultText);
  if (isJsonProblem(members)) return undefined;
  if (stringAt(resultText, members.get('resultType')) !== 'input_required') return undefined;
  const asked = members.get('inputRequests');
  const given = members.get('requestState');
  if (!asked && !given) return { problem: 'input_required needs inputRequests or requestState' };
  const state = stringAt(resultText, given);
  if (given && state === undefined) return { problem: 'requestState is a string' };
  const questions = asked ? readQuestions(resultText, asked) : [];
  return 'problem' in questions ? questions : { questions, state };
}

function readQuestions(text: string, span: Span): readonly KeyedQuestion[] | Problem {
  const requests = namedMembers(text, span, 'inputRequests');
  if ('problem' in requests) return requests;
  const questions: KeyedQuestion[] = [];
  for (const [key, request] of requests) {
    const question = readQuestion(text, request);
    if ('problem' in question) return question;
    questions.push({ key, ...question });
  }
  return questions;
}

/** The members of an object that may have at most `questionsMax` of them. */
function namedMembers(text: string, span: Span, what: string): Members | Problem {
  if (!isObjectAt(text, span)) return { problem: `${what} is an object` };
  const members = objectMembers(text, span.start);
  if (isJsonProblem(members)) return { problem: `${what} is ambiguous: ${members.problem}` };
  return members.size > questionsMax
    ? { problem: `${what} has at most ${questionsMax} members, not ${members.size}` }
    : members;
}

function readQuestion(text: string, span: Span): Question | Problem {
  const members = isObjectAt(text, span) ? objectMembers(text, span.start) : undefined;
  if (members === undefined || isJsonProblem(members)) return { problem: 'an input request is an object' };
  const method = stringAt(text, members.get('method'));
  if (method === undefined || !isQuestionMethod(method)) {
    return { problem: `an input request cannot be ${JSON.stringify(method?.slice(0, 64) ?? null)}` };
  }
  const params = members.get('params');
  if (params && !isObjectAt(text, params)) return { problem: `the params of ${method} are an object` };
  const paramsText = params ? textOf(text, params) : '{}';
  const own = wholeObject(paramsText);
  return isJsonProblem(own)
    ? { problem: `the params of ${method} are ambiguous: ${own.problem}` }
    : { method, paramsText };
}

/** A whole `input_required` result. */
export function inputRequiredText(questions: readonly KeyedQuestion[], state: string | undefined): string {
  const asked = questions.map(
    ({ key, method, paramsText }) =>
      `${JSON.stringify(key)}:{"method":${JSON.stringify(method)},"params":${paramsText}}`,
  );
  const requests = questions.length > 0 || state === undefined ? `,"inputRequests":{${asked.join(',')}}` : '';
  const stateText = state === undefined ? '' : `,"requestState":${JSON.stringify(state)}`;
  return `{"resultType":"input_required"${requests}${stateText}}`;
}

/** The result with this `requestState`, all else to the letter. */
export function withRequestState(resultText: string, state: string): string {
  return changeMembers(resultText, { requestState: JSON.stringify(state) });
}

/**
 * The params of the next round: answers by key (JSON text) and the server's own state. No answers, or no state, takes the
 * member out.
 */
export function retryParams(
  params: Params,
  answers: ReadonlyMap<string, string>,
  state: string | undefined,
): Params {
  const parts = [...answers].map(([key, answer]) => `${JSON.stringify(key)}:${answer}`);
  const text = changeMembers(params.text, {
    inputResponses: parts.length === 0 ? undefined : `{${parts.join(',')}}`,
    requestState: state === undefined ? undefined : JSON.stringify(state),
  });
  return text === params.text ? params : paramsFrom(text);
}

/** The answers of a round: key to JSON text as sent, whatever its type. Empty where the params hold none. */
export function readInputResponses(params: Params): ReadonlyMap<string, string> | Problem {
  const span = params.members.get('inputResponses');
  if (!span) return new Map();
  const members = namedMembers(params.text, span, 'inputResponses');
  if ('problem' in members) return members;
  const answers = new Map<string, string>();
  for (const [key, answer] of members) answers.set(key, textOf(params.text, answer));
  return answers;
}

export function readRequestState(params: Params): string | undefined {
  return stringParam(params, 'requestState');
}

/** The params as of a first round; the same object where they are one. */
export function withoutDialogue(params: Params): Params {
  if (!params.members.has('inputResponses') && !params.members.has('requestState')) return params;
  return paramsFrom(changeMembers(params.text, { inputResponses: undefined, requestState: undefined }));
}

const legacyMetaKeys: readonly string[] = ['progressToken', 'io.modelcontextprotocol/related-task'];

/** A legacy server's request as it stands in an `input_required` result: without what only its own hop can use. */
export function questionForModern(question: Question): Question {
  const members = wholeObject(question.paramsText);
  if (isJsonProblem(members)) return question;
  const changes: Record<string, string | undefined> = { task: undefined, elicitationId: undefined };
  const span = members.get('_meta');
  if (span && isObjectAt(question.paramsText, span)) {
    const meta = textOf(question.paramsText, span);
    if (isJsonProblem(wholeObject(meta))) return question;
    const kept = changeMembers(meta, Object.fromEntries(legacyMetaKeys.map((key) => [key, undefined])));
    if (kept !== meta) changes['_meta'] = kept === '{}' ? undefined : kept;
  }
  const paramsText = changeMembers(question.paramsText, changes);
  return paramsText === question.paramsText ? question : { method: question.method, paramsText };
}

/** The question as a request to a legacy client: an elicitation of a URL needs an id there. */
export function questionForLegacy(question: Question, elicitationId: string): Question {
  if (question.method !== 'elicitation/create') return question;
  const members = wholeObject(question.paramsText);
  if (isJsonProblem(members) || stringAt(question.paramsText, members.get('mode')) !== 'url') return question;
  const paramsText = changeMembers(question.paramsText, { elicitationId: JSON.stringify(elicitationId) });
  return { method: question.method, paramsText };
}

const urlElicitationRequired = -32042;

/**
 * The questions of a 2025-11-25 server's URLElicitationRequiredError, keyed `1`, `2`, … in its order; undefined where the
 * error is another one. The call is made anew once they are answered.
 */
export function questionsOfUrlError(errorText: string): readonly KeyedQuestion[] | undefined {
  if (!mayMention(errorText, 'elicitations')) return undefined;
  const error = parseJsonObject(errorText);
  if (error?.['code'] !== urlElicitationRequired) return undefined;
  const data = memberSpan(errorText, 'data');
  const list = data && objectMember(errorText, data, 'elicitations');
  if (!list || !isArrayAt(errorText, list)) return undefined;
  const elements = arrayElements(errorText, list.start);
  if (isJsonProblem(elements) || elements.length === 0 || elements.length > questionsMax) return undefined;
  const questions: KeyedQuestion[] = [];
  for (const element of elements) {
    const mode = objectMember(errorText, element, 'mode');
    if (stringAt(errorText, mode) !== 'url') return undefined;
    const asked = { method: 'elicitation/create', paramsText: textOf(errorText, element) };
    questions.push({ key: String(questions.length + 1), ...questionForModern(asked) });
  }
  return questions;
}

function memberSpan(text: string, name: string): Span | undefined {
  const members = wholeObject(text);
  return isJsonProblem(members) ? undefined : members.get(name);
}

function objectMember(text: string, object: Span, name: string): Span | undefined {
  if (!isObjectAt(text, object)) return undefined;
  const members = objectMembers(text, object.start);
  return isJsonProblem(members) ? undefined : members.get(name);
}
