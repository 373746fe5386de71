/** One server's list of tools, resources, templates or prompts, and how it looks on the aggregate endpoint. */

import type { ServerName } from '../model/ids.ts';
import {
  arrayElements,
  isArrayAt,
  isJsonProblem,
  stringAt,
  textOf,
  wholeObject,
  type Span,
} from '../wire/json-spans.ts';
import { changeMembers } from '../wire/splice.ts';
import { exposedName, exposedUri } from './names.ts';

export type ListKind = 'tools' | 'resources' | 'resourceTemplates' | 'prompts';
export const listKinds: readonly ListKind[] = ['tools', 'resources', 'resourceTemplates', 'prompts'];

interface ListShape {
  readonly method: string;
  /** Capability that a server declares when it has such a list. */
  readonly capability: 'tools' | 'resources' | 'prompts';
  /** Member that names an item. */
  readonly key: 'name' | 'uri' | 'uriTemplate';
}

export const listShapes: Readonly<Record<ListKind, ListShape>> = {
  tools: { method: 'tools/list', capability: 'tools', key: 'name' },
  resources: { method: 'resources/list', capability: 'resources', key: 'uri' },
  resourceTemplates: { method: 'resources/templates/list', capability: 'resources', key: 'uriTemplate' },
  prompts: { method: 'prompts/list', capability: 'prompts', key: 'name' },
};

export function listKindOf(method: string): ListKind | undefined {
  return listKinds.find((kind) => listShapes[kind].method === method);
}

/** One item exactly as its server wrote it. */
export interface ListedItem {
  /** Name, URI or URI template at its server. */
  readonly own: string;
  readonly text: string;
}

export interface ListPage {
  readonly items: readonly ListedItem[];
  readonly nextCursor: string | undefined;
}

/** The items of one result page; undefined where the result has no such list. Items without a name are left out. */
export function readListPage(kind: ListKind, resultText: string): ListPage | undefined {
  const members = wholeObject(resultText);
  if (isJsonProblem(members)) return undefined;
  const list = members.get(kind);
  if (list === undefined || !isArrayAt(resultText, list)) return undefined;
  const elements = arrayElements(resultText, list.start);
  if (isJsonProblem(elements)) return undefined;
  const items: ListedItem[] = [];
  for (const element of elements) {
    const item = readItem(kind, resultText, element);
    if (item) items.push(item);
  }
  return { items, nextCursor: stringAt(resultText, members.get('nextCursor')) };
}

function readItem(kind: ListKind, resultText: string, element: Span): ListedItem | undefined {
  const text = textOf(resultText, element);
  const members = wholeObject(text);
  if (isJsonProblem(members)) return undefined;
  const own = stringAt(text, members.get(listShapes[kind].key));
  return own === undefined || own === '' ? undefined : { own, text };
}

/** The item as the aggregate shows it: its name or URI says whose it is, everything else is untouched. */
export function exposeItem(kind: ListKind, server: ServerName, item: ListedItem): string {
  const key = listShapes[kind].key;
  const exposed = key === 'name' ? exposedName(server, item.own) : exposedUri(server, item.own);
  return changeMembers(item.text, { [key]: JSON.stringify(exposed) });
}

/** A server that should be in a list and is not. */
export interface Absence {
  readonly server: ServerName;
  readonly reason: string;
}

/** `_meta` key under which an aggregate list says which servers are missing from it. */
export const absentMetaKey = 'dev.cruvero/unavailable';

/** The result text of a list made here, of items as they are shown. */
export function aggregateResult(
  kind: ListKind,
  itemTexts: readonly string[],
  absent: readonly Absence[],
): string {
  const meta = absent.length === 0 ? '' : `,"_meta":${JSON.stringify({ [absentMetaKey]: absent })}`;
  return `{"${kind}":[${itemTexts.join(',')}]${meta}}`;
}
