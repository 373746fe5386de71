/** Task ids in messages of the Tasks extension (SEP-2663), and of the experimental tasks of 2025-11-25: they say whose a task is, and where. */

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
import { splice, type Edit } from '../wire/splice.ts';
import { stringParam, type Params } from './message.ts';

const taskMethods: ReadonlySet<string> = new Set(['tasks/get', 'tasks/update', 'tasks/cancel']);

/** True for the requests that name a task. */
export function isTaskMethod(method: string): boolean {
  return taskMethods.has(method);
}

export function taskIdOf(params: Params): string | undefined {
  return stringParam(params, 'taskId');
}

/** The result with its own `taskId` mapped; ids inside what the task made, and all else, to the letter. */
export function mapTaskIds(resultText: string, map: (own: string) => string): string {
  if (!mayMention(resultText, 'taskId')) return resultText;
  const members = wholeObject(resultText);
  return isJsonProblem(members) ? resultText : mapMember(resultText, members, map);
}

/** The notification with `params.taskId` mapped; all else to the letter. */
export function mapNotifiedTaskId(notificationText: string, map: (own: string) => string): string {
  if (!mayMention(notificationText, 'taskId')) return notificationText;
  const members = wholeObject(notificationText);
  const params = isJsonProblem(members) ? undefined : members.get('params');
  if (!params || !isObjectAt(notificationText, params)) return notificationText;
  const inner = objectMembers(notificationText, params.start);
  return isJsonProblem(inner) ? notificationText : mapMember(notificationText, inner, map);
}

function mapMember(text: string, members: Members, map: (own: string) => string): string {
  const span = members.get('taskId');
  const own = stringAt(text, span);
  return span && own !== undefined ? splice(text, [{ span, text: JSON.stringify(map(own)) }]) : text;
}

const legacyTaskMethods: ReadonlySet<string> = new Set([
  'tasks/list',
  'tasks/get',
  'tasks/result',
  'tasks/cancel',
]);

/** True for the requests of 2025-11-25 that speak of tasks; three of them name one. */
export function isLegacyTaskMethod(method: string): boolean {
  return legacyTaskMethods.has(method);
}

const relatedTask = 'io.modelcontextprotocol/related-task';

/**
 * Where the result of a 2025-11-25 server to this method names tasks: itself, the task that it made, those of a list, the one
 * that it belongs to. All else to the letter.
 */
export function mapLegacyTaskIds(method: string, resultText: string, map: (own: string) => string): string {
  if (!mayMention(resultText, 'taskId')) return resultText;
  const members = wholeObject(resultText);
  if (isJsonProblem(members)) return resultText;
  const flat = method === 'tasks/get' || method === 'tasks/cancel' ? members : undefined;
  const spans = [
    flat?.get('taskId'),
    memberAt(resultText, members.get('task'), 'taskId'),
    ...(method === 'tasks/list' ? listedTasks(resultText, members).map(({ id }) => id) : []),
    relatedAt(resultText, members),
  ];
  return mapSpans(resultText, spans, map);
}

/** Ids of the tasks that a list holds. */
export function listedTaskIds(resultText: string): readonly string[] {
  const members = wholeObject(resultText);
  if (isJsonProblem(members)) return [];
  return listedTasks(resultText, members).flatMap(({ id }) => stringAt(resultText, id) ?? []);
}

/** The list without the tasks that are not to be kept, and without what is no task; undefined where it cannot be read. */
export function keepTasks(resultText: string, keep: (own: string) => boolean): string | undefined {
  const members = wholeObject(resultText);
  if (isJsonProblem(members)) return undefined;
  const span = members.get('tasks');
  if (!span) return resultText;
  const kept = listedTasks(resultText, members).flatMap(({ task, id }) => {
    const own = stringAt(resultText, id);
    return own !== undefined && keep(own) ? [textOf(resultText, task)] : [];
  });
  return splice(resultText, [{ span, text: `[${kept.join(',')}]` }]);
}

/** The params of a request or a notification of 2025-11-25, or the result of an answer, with the task that it belongs to mapped. */
export function mapRelatedTask(objectText: string, map: (own: string) => string): string {
  if (!mayMention(objectText, 'taskId')) return objectText;
  const members = wholeObject(objectText);
  return isJsonProblem(members) ? objectText : mapSpans(objectText, [relatedAt(objectText, members)], map);
}

/** Ids of the tasks that a notification of 2025-11-25 is about, where they stand. */
function notifiedSpans(notificationText: string): readonly (Span | undefined)[] {
  if (!mayMention(notificationText, 'taskId')) return [];
  const members = wholeObject(notificationText);
  const params = isJsonProblem(members) ? undefined : members.get('params');
  if (isJsonProblem(members) || !params || !isObjectAt(notificationText, params)) return [];
  const inner = objectMembers(notificationText, params.start);
  if (isJsonProblem(inner)) return [];
  const isStatus = stringAt(notificationText, members.get('method')) === 'notifications/tasks/status';
  return [isStatus ? inner.get('taskId') : undefined, relatedAt(notificationText, inner)];
}

/** Ids of the tasks that a notification of 2025-11-25 is about. */
export function notifiedTaskIds(notificationText: string): readonly string[] {
  return notifiedSpans(notificationText).flatMap((span) => stringAt(notificationText, span) ?? []);
}

/** The notification of 2025-11-25 with the tasks that it is about mapped. */
export function mapLegacyNotified(notificationText: string, map: (own: string) => string): string {
  return mapSpans(notificationText, notifiedSpans(notificationText), map);
}

function listedTasks(
  text: string,
  members: Members,
): readonly { readonly task: Span; readonly id: Span | undefined }[] {
  const span = members.get('tasks');
  const elements = span && isArrayAt(text, span) ? arrayElements(text, span.start) : [];
  return isJsonProblem(elements)
    ? []
    : elements.map((task) => ({ task, id: memberAt(text, task, 'taskId') }));
}

function relatedAt(text: string, members: Members): Span | undefined {
  return memberAt(text, memberAt(text, members.get('_meta'), relatedTask), 'taskId');
}

function memberAt(text: string, object: Span | undefined, name: string): Span | undefined {
  if (!object || !isObjectAt(text, object)) return undefined;
  const members = objectMembers(text, object.start);
  return isJsonProblem(members) ? undefined : members.get(name);
}

function mapSpans(text: string, spans: readonly (Span | undefined)[], map: (own: string) => string): string {
  const edits = spans.flatMap((span): readonly Edit[] => {
    const own = stringAt(text, span);
    return span && own !== undefined ? [{ span, text: JSON.stringify(map(own)) }] : [];
  });
  return edits.length === 0 ? text : splice(text, edits);
}
