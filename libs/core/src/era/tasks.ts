/** Task ids in messages of the Tasks extension (SEP-2663): they say which server a task lives at. */

import {
  isJsonProblem,
  isObjectAt,
  mayMention,
  objectMembers,
  stringAt,
  wholeObject,
  type Members,
} from '../wire/json-spans.ts';
import { splice } from '../wire/splice.ts';
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
