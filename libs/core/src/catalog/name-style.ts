/** How tools and prompts are called on an endpoint, and the way back from a name that says less than the canonical one. */

import type { ServerName } from '../model/ids.ts';
import type { NameStyle } from '../model/virtual-server.ts';
import { hash32 } from '../traffic/balance.ts';
import { changeMembers } from '../wire/splice.ts';
import { listShapes, type ListedItem, type ListKind } from './listing.ts';
import { exposedName, exposedUri, ownedName, type Owned } from './names.ts';

/** What models and their SDKs take as a tool's name. */
export const safeNamePattern = /^[A-Za-z0-9_-]{1,64}$/;
const safeCharsMax = 64;
/** A longer server name is cut, so that something readable is left for the tool. */
const serverCharsMax = 30;
const hashChars = 12;
const separator = '__';
const hashedEnd = /(^|_)[0-9a-f]{12}$/;

function hashOf(text: string): string {
  const digits = [1, 2].map((salt) => hash32(`${salt}\n${text}`).toString(16).padStart(8, '0'));
  return digits.join('').slice(0, hashChars);
}

/**
 * `text` itself where it is short, safe and not like a hashed one; otherwise what can be read of it, and its hash. So two
 * different texts become one part only where their hashes are equal.
 */
function safePart(text: string, charsMax: number, refused?: RegExp): string {
  const plain = safeNamePattern.test(text) && text.length <= charsMax && !hashedEnd.test(text);
  if (plain && !refused?.test(text)) return text;
  const readable = text
    .slice(0, charsMax)
    .replace(/[^A-Za-z0-9-]+/g, '_')
    .replace(/^_/, '')
    .slice(0, charsMax - hashChars - 1)
    .replace(/_$/, '');
  return readable === '' ? hashOf(text) : `${readable}_${hashOf(text)}`;
}

/** Any text as a safe name; one that is safe already stays as it is, unless it looks like a hashed one. */
export function safeText(text: string): string {
  return safePart(text, safeCharsMax);
}

/**
 * `<server>__<tool>`. The server's part holds no `__` and ends in none of its characters, so the first `__` parts the two
 * and no server can make a name of another's.
 */
function safeName(server: ServerName, own: string): string {
  const owner = safePart(server, serverCharsMax, /__|_$/);
  return `${owner}${separator}${safePart(own, safeCharsMax - owner.length - separator.length)}`;
}

/** Total and deterministic. `bare` names of two servers can be the same; those of the other styles practically cannot. */
export function styledName(style: NameStyle, server: ServerName, own: string): string {
  switch (style) {
    case 'canonical':
      return exposedName(server, own);
    case 'safe':
      return safeName(server, own);
    case 'bare':
      return own;
  }
}

/** One server's items of one kind. */
export interface ListedBy {
  readonly server: ServerName;
  readonly items: readonly ListedItem[];
}

/** A name that two items would have: the first one has it, the other cannot be called. */
export interface HiddenName extends Owned {
  readonly exposed: string;
  readonly takenBy: Owned;
}

export interface NameIndex {
  ownerOf(exposed: string): Owned | undefined;
  /** In the order of the lists. */
  readonly hidden: readonly HiddenName[];
}

/** The way back from the names of one kind of list (tools or prompts); servers in the order in which they have precedence. */
export function nameIndex(style: NameStyle, listed: readonly ListedBy[]): NameIndex {
  const owners = new Map<string, Owned>();
  const hidden: HiddenName[] = [];
  for (const { server, items } of listed) {
    for (const { own } of items) {
      const exposed = styledName(style, server, own);
      const taken = owners.get(exposed);
      if (!taken) owners.set(exposed, { server, own });
      else if (!isSame(taken, { server, own })) hidden.push({ exposed, server, own, takenBy: taken });
    }
  }
  return { ownerOf: (exposed) => owners.get(exposed), hidden };
}

export const isSame = (a: Owned, b: Owned): boolean => a.server === b.server && a.own === b.own;

/**
 * The owner of a name that tells it without a list: every canonical one, and safe ones without a hash. For names that no
 * list has (yet); look in the index first.
 */
export function ownerByName(style: NameStyle, exposed: string): Owned | undefined {
  if (style === 'canonical') return ownedName(exposed);
  const at = style === 'safe' ? exposed.indexOf(separator) : -1;
  if (at < 1) return undefined;
  const owned = ownedName(`mcp.${exposed.slice(0, at)}.${exposed.slice(at + separator.length)}`);
  return owned && safeName(owned.server, owned.own) === exposed ? owned : undefined;
}

/** How an item of any kind is called on an endpoint: names by style, URIs always `mcp://<server>/<uri>`. */
export function styledKey(style: NameStyle, kind: ListKind, server: ServerName, own: string): string {
  return listShapes[kind].key === 'name' ? styledName(style, server, own) : exposedUri(server, own);
}

/** The item under this name or URI; everything else of it to the letter. */
export function renameItem(kind: ListKind, item: ListedItem, exposed: string): string {
  if (exposed === item.own) return item.text;
  return changeMembers(item.text, { [listShapes[kind].key]: JSON.stringify(exposed) });
}
