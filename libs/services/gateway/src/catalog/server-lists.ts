/** What one server offers: its four lists as last seen, and how the last look at it went. */

import {
  isFault,
  faultMessage,
  listKinds,
  listShapes,
  readParamHeaders,
  type Fault,
  type Instance,
  type ListedItem,
  type ListKind,
  type Server,
  type ServerFace,
} from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import { linkTerms, type UpstreamLink } from '@cruvero/upstream';

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

/** What one look at a server brought. */
export interface Looked {
  readonly lists: Lists;
  readonly face: ServerFace;
  /** The instance that spoke for the server. */
  readonly instance: Instance;
  /** Tools left out, and why. */
  readonly dropped: readonly { readonly tool: string; readonly problem: string }[];
}

/** Asks the server for all its lists at once; kinds it does not declare are empty. */
export async function look(
  link: UpstreamLink,
  instance: Instance,
  abort: AbortController,
): Promise<Looked | Fault> {
  const face = await link.face();
  if (isFault(face)) return face;
  const looked = await Promise.all(listKinds.map((kind) => lookKind(link, face, kind, abort)));
  const lists: Partial<Record<ListKind, readonly ListedItem[]>> = {};
  for (const [at, kind] of listKinds.entries()) {
    const items = looked[at] ?? [];
    if (isFault(items)) return items;
    lists[kind] = items;
  }
  const { offered, dropped } = offeredTools(face, lists.tools ?? []);
  return { lists: { ...(lists as Lists), tools: offered }, face, instance, dropped };
}

/** A client leaves out tools whose `x-mcp-header` annotations break the rules (MCP 2026-07-28, "Custom headers"). */
function offeredTools(face: ServerFace, tools: readonly ListedItem[]) {
  const dropped: { readonly tool: string; readonly problem: string }[] = [];
  if (face.era === 'legacy') return { offered: tools, dropped };
  const offered = tools.filter(({ own, text }) => {
    const headers = readParamHeaders(text);
    if ('problem' in headers) dropped.push({ tool: own, problem: headers.problem });
    return !('problem' in headers);
  });
  return { offered, dropped };
}

async function lookKind(link: UpstreamLink, face: ServerFace, kind: ListKind, abort: AbortController) {
  if (face.capabilities[listShapes[kind].capability] === undefined) return [];
  // Lists are the server's, not a caller's.
  const items = await link.listAll(kind, linkTerms, abort);
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

/** Kinds whose items differ, and those that the server itself said have changed. */
export function changedKinds(
  a: Lists | undefined,
  b: Lists,
  notified: ReadonlySet<ListKind>,
): readonly ListKind[] {
  return listKinds.filter((kind) => notified.has(kind) || !sameItems(a?.[kind] ?? [], b[kind]));
}

/** Why there are no lists. */
export function unknownReason({ state }: ServerLists): string {
  return state.at === 'failed' ? state.reason : 'It is being asked for the first time.';
}

function sameItems(a: readonly ListedItem[], b: readonly ListedItem[]): boolean {
  return a.length === b.length && a.every((item, at) => item.text === b[at]?.text);
}
