/** What one server offers: its four lists as last seen, and how the last look at it went. */

import {
  isFault,
  faultMessage,
  isJsonObject,
  listKinds,
  listShapes,
  parseJsonObject,
  type Fault,
  type ListedItem,
  type ListKind,
  type Server,
  type ServerFace,
} from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import { linkSessionKey, type UpstreamLink } from '@cruvero/upstream';

export type Lists = Readonly<Record<ListKind, readonly ListedItem[]>>;

export type LookState =
  /** Never looked, or looking for the first time. */
  | { readonly at: 'unknown' }
  | { readonly at: 'seen'; readonly atMs: number }
  /** The last look failed; the lists are older, or missing. */
  | { readonly at: 'failed'; readonly atMs: number; readonly reason: string };

export interface ServerLists {
  readonly lists: Lists | undefined;
  readonly state: LookState;
}

export const unknownLists: ServerLists = { lists: undefined, state: { at: 'unknown' } };

/** Announced definitions stand in for the first look: tools are there at once, the rest follows. */
export function announcedLists(server: Server): ServerLists {
  if (server.tools.length === 0) return unknownLists;
  const tools = server.tools.flatMap((tool) =>
    typeof tool['name'] === 'string' ? [{ own: tool['name'], text: JSON.stringify(tool) }] : [],
  );
  return { lists: { tools, resources: [], resourceTemplates: [], prompts: [] }, state: { at: 'unknown' } };
}

/** Asks the server for all its lists at once; kinds it does not declare are empty. */
export async function look(link: UpstreamLink, abort: AbortController): Promise<Lists | Fault> {
  const face = await link.face();
  if (isFault(face)) return face;
  const looked = await Promise.all(listKinds.map((kind) => lookKind(link, face, kind, abort)));
  const lists: Partial<Record<ListKind, readonly ListedItem[]>> = {};
  for (const [at, kind] of listKinds.entries()) {
    const items = looked[at] ?? [];
    if (isFault(items)) return items;
    lists[kind] = items;
  }
  return lists as Lists;
}

async function lookKind(link: UpstreamLink, face: ServerFace, kind: ListKind, abort: AbortController) {
  if (face.capabilities[listShapes[kind].capability] === undefined) return [];
  // Lists are the server's, not a caller's.
  const items = await link.listAll(kind, linkSessionKey, abort);
  // Servers may declare resources and yet not know templates.
  if (isFault(items) && kind === 'resourceTemplates' && items.fault === 'upstream_broken') return [];
  return items;
}

export function seen(lists: Lists, clock: Clock): ServerLists {
  return { lists, state: { at: 'seen', atMs: clock.nowMs() } };
}

/** What was seen before stays: a server that stumbles keeps its tools. */
export function failed(before: ServerLists, fault: Fault, clock: Clock): ServerLists {
  return { lists: before.lists, state: { at: 'failed', atMs: clock.nowMs(), reason: faultMessage(fault) } };
}

export function changedKinds(a: Lists | undefined, b: Lists): readonly ListKind[] {
  return listKinds.filter((kind) => !sameItems(a?.[kind] ?? [], b[kind]));
}

/** Names of the tools that say of themselves that running twice does no harm. */
export function repeatableTools(lists: Lists | undefined): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { own, text } of lists?.tools ?? []) {
    const annotations = parseJsonObject(text)?.['annotations'];
    if (!isJsonObject(annotations)) continue;
    if (annotations['readOnlyHint'] === true || annotations['idempotentHint'] === true) names.add(own);
  }
  return names;
}

function sameItems(a: readonly ListedItem[], b: readonly ListedItem[]): boolean {
  return a.length === b.length && a.every((item, at) => item.text === b[at]?.text);
}
