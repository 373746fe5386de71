/** What a caller wants to hear of, and the stamp that says which request a notification answers (MCP 2026-07-28, "Subscriptions"). */

import {
  arrayElements,
  isArrayAt,
  isJsonProblem,
  isObjectAt,
  objectMembers,
  stringAt,
  textOf,
  wholeObject,
  type Span,
} from '../wire/json-spans.ts';
import { changeMembers } from '../wire/splice.ts';
import type { Params } from './message.ts';
import { metaKeys } from './versions.ts';

export type ListenedList = 'tools' | 'prompts' | 'resources';

/** The filter of one subscriptions/listen request; it cannot be changed, only replaced by another request. */
export interface ListenFilter {
  /** Lists whose `list_changed` is wanted. */
  readonly lists: ReadonlySet<ListenedList>;
  /** Resources whose `updated` is wanted; no URI stands twice. */
  readonly uris: readonly string[];
  /** Tasks whose status is wanted (Tasks extension); no id stands twice. */
  readonly taskIds: readonly string[];
}

/** Most URIs, and most task ids, that one request may name. */
export const listenNamesMax = 1_000;

const listMembers: Readonly<Record<ListenedList, string>> = {
  tools: 'toolsListChanged',
  prompts: 'promptsListChanged',
  resources: 'resourcesListChanged',
};
const listNames: readonly ListenedList[] = ['tools', 'prompts', 'resources'];

interface Problem {
  readonly problem: string;
}

/** Reads `params.notifications`; members that nobody knows pass unread. */
export function readListenFilter(params: Params): ListenFilter | Problem {
  return readFilter(params.text, params.members.get('notifications'));
}

function readFilter(text: string, span: Span | undefined): ListenFilter | Problem {
  if (span === undefined || !isObjectAt(text, span))
    return { problem: 'params.notifications is an object that says what to listen to' };
  const members = objectMembers(text, span.start);
  if (isJsonProblem(members)) return { problem: `params.notifications is ambiguous: ${members.problem}` };
  const lists = new Set<ListenedList>();
  for (const list of listNames) {
    const member = members.get(listMembers[list]);
    const said = member === undefined ? 'false' : textOf(text, member);
    if (said !== 'true' && said !== 'false') return { problem: `${listMembers[list]} is true or false` };
    if (said === 'true') lists.add(list);
  }
  const uris = readNames(text, members.get('resourceSubscriptions'), 'resourceSubscriptions');
  if ('problem' in uris) return uris;
  const taskIds = readNames(text, members.get('taskIds'), 'taskIds');
  if ('problem' in taskIds) return taskIds;
  return { lists, uris, taskIds };
}

function readNames(text: string, span: Span | undefined, member: string): readonly string[] | Problem {
  if (span === undefined) return [];
  const elements = isArrayAt(text, span) ? arrayElements(text, span.start) : undefined;
  if (elements === undefined || isJsonProblem(elements))
    return { problem: `${member} is an array of strings` };
  if (elements.length > listenNamesMax)
    return { problem: `${member} names at most ${listenNamesMax}, not ${elements.length}` };
  const names = new Set<string>();
  for (const element of elements) {
    const name = stringAt(text, element);
    if (name === undefined || name === '') return { problem: `${member} is an array of strings` };
    names.add(name);
  }
  return [...names];
}

/** The `notifications` object of a subscriptions/listen request. */
export function listenParams(filter: ListenFilter): string {
  const parts: string[] = [];
  for (const list of listNames) if (filter.lists.has(list)) parts.push(`"${listMembers[list]}":true`);
  if (filter.uris.length > 0) parts.push(`"resourceSubscriptions":${JSON.stringify(filter.uris)}`);
  if (filter.taskIds.length > 0) parts.push(`"taskIds":${JSON.stringify(filter.taskIds)}`);
  return `{${parts.join(',')}}`;
}

/** The params of notifications/subscriptions/acknowledged: what of the filter will be honoured. */
export function honoured(filter: ListenFilter): string {
  return `{"notifications":${listenParams(filter)}}`;
}

/** What a server's notifications/subscriptions/acknowledged honours; undefined where the message is none. */
export function readAcknowledged(notificationText: string): ListenFilter | undefined {
  const members = wholeObject(notificationText);
  if (isJsonProblem(members)) return undefined;
  if (stringAt(notificationText, members.get('method')) !== 'notifications/subscriptions/acknowledged')
    return undefined;
  const params = members.get('params');
  if (!params || !isObjectAt(notificationText, params)) return undefined;
  const inner = objectMembers(notificationText, params.start);
  if (isJsonProblem(inner)) return undefined;
  const filter = readFilter(notificationText, inner.get('notifications'));
  return 'problem' in filter ? undefined : filter;
}

/** The notification as a message on the stream of the listen request with this id (JSON). */
export function stampSubscription(notificationText: string, idText: string): string {
  return changeSubscription(notificationText, idText);
}

/** The notification without the stamp; an empty `_meta` goes too. */
export function unstampSubscription(notificationText: string): string {
  return changeSubscription(notificationText, undefined);
}

function changeSubscription(text: string, idText: string | undefined): string {
  const members = wholeObject(text);
  if (isJsonProblem(members)) return text;
  const params = objectText(text, members.get('params'));
  if (params === undefined) return text;
  const inner = wholeObject(params);
  if (isJsonProblem(inner)) return text;
  const meta = objectText(params, inner.get('_meta'));
  if (meta === undefined || isJsonProblem(wholeObject(meta))) return text;
  const changedMeta = changeMembers(meta, { [metaKeys.subscriptionId]: idText });
  if (changedMeta === meta) return text;
  const metaText = changedMeta === '{}' ? undefined : changedMeta;
  return changeMembers(text.slice(text.indexOf('{')), { params: changeMembers(params, { _meta: metaText }) });
}

/** The object's text, `{}` where there is none, undefined where something else stands there. */
function objectText(text: string, span: Span | undefined): string | undefined {
  if (span === undefined) return '{}';
  return isObjectAt(text, span) ? textOf(text, span) : undefined;
}
