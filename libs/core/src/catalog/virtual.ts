/** From the definition of a virtual server and the lists of its members to what it offers, and back from a name to its owner. */

import type { ServerName } from '../model/ids.ts';
import type { NameStyle, VirtualMember, VirtualServer } from '../model/virtual-server.ts';
import { matchesPattern } from '../policy/authorize.ts';
import { absentMetaKey, listKinds, type Absence, type ListedItem, type ListKind } from './listing.ts';
import { isSame, renameItem, safeText, styledKey } from './name-style.ts';
import { ownedUri, type Owned } from './names.ts';

export type MemberLists = Readonly<Record<ListKind, readonly ListedItem[]>>;

/** The lists of one server, or why there are none. */
export type MemberListed = MemberLists | { readonly absent: string };

/** An item as the virtual server shows it. */
export interface VirtualItem extends Owned {
  readonly exposed: string;
  readonly text: string;
}

/** An item that cannot be shown, because its name is another's. */
export interface HiddenItem extends Owned {
  readonly kind: ListKind;
  readonly exposed: string;
  readonly takenBy: Owned;
}

export interface CompiledVirtual {
  readonly definition: VirtualServer;
  /** Members in the order of the definition, each member's items in its own order. */
  readonly items: Readonly<Record<ListKind, readonly VirtualItem[]>>;
  /** Never empty silently: to be logged, and told in `_meta`. */
  readonly hidden: readonly HiddenItem[];
  readonly absent: readonly Absence[];
  /** By exposed name. */
  readonly owners: Readonly<Record<'tools' | 'prompts', ReadonlyMap<string, Owned>>>;
}

/** `_meta` key under which a list says what it could not show. */
export const hiddenMetaKey = 'dev.cruvero/hidden';
/** More are counted, not listed. */
const hiddenShownMax = 100;

/** `listsOf` gives undefined for a server that does not exist. */
export function compileVirtual(
  definition: VirtualServer,
  listsOf: (server: ServerName) => MemberListed | undefined,
): CompiledVirtual {
  const claims: Record<ListKind, Claims> = {
    tools: new Claims('tools', definition.names),
    resources: new Claims('resources', definition.names),
    resourceTemplates: new Claims('resourceTemplates', definition.names),
    prompts: new Claims('prompts', definition.names),
  };
  const absent = new Map<ServerName, Absence>();
  for (const member of definition.members) {
    const { server } = member;
    const listed = listsOf(server) ?? { absent: 'There is no server of this name here (yet).' };
    if ('absent' in listed) absent.set(server, { server, reason: listed.absent });
    else for (const kind of listKinds) claims[kind].add(member, selected(member, kind, listed[kind]));
  }
  return {
    definition,
    items: {
      tools: claims.tools.items,
      resources: claims.resources.items,
      resourceTemplates: claims.resourceTemplates.items,
      prompts: claims.prompts.items,
    },
    hidden: listKinds.flatMap((kind) => claims[kind].hidden),
    absent: [...absent.values()],
    owners: { tools: claims.tools.owners, prompts: claims.prompts.owners },
  };
}

/** Names of one kind as they are taken, one member after the other. */
class Claims {
  readonly items: VirtualItem[] = [];
  readonly hidden: HiddenItem[] = [];
  readonly owners = new Map<string, Owned>();
  readonly #kind: ListKind;
  readonly #style: NameStyle;

  constructor(kind: ListKind, style: NameStyle) {
    this.#kind = kind;
    this.#style = style;
  }

  /** Within a member, what was given a name goes before what has it by itself; the order of the list stays. */
  add(member: VirtualMember, items: readonly ListedItem[]): void {
    const { server } = member;
    const wishes = items.map((item) => ({ item, ...this.#wish(member, item.own) }));
    const shown = new Set<ListedItem>();
    for (const aliased of [true, false]) {
      for (const wish of wishes) {
        if (wish.aliased === aliased && this.#take(wish.exposed, { server, own: wish.item.own }))
          shown.add(wish.item);
      }
    }
    for (const { item, exposed } of wishes) {
      if (!shown.has(item)) continue;
      this.items.push({ exposed, server, own: item.own, text: renameItem(this.#kind, item, exposed) });
    }
  }

  #wish(member: VirtualMember, own: string): { readonly exposed: string; readonly aliased: boolean } {
    const named = this.#kind === 'tools' || this.#kind === 'prompts';
    const { aliases } = member;
    const alias = named && aliases && Object.hasOwn(aliases, own) ? aliases[own] : undefined;
    if (alias === undefined)
      return { exposed: styledKey(this.#style, this.#kind, member.server, own), aliased: false };
    return { exposed: this.#style === 'safe' ? safeText(alias) : alias, aliased: true };
  }

  /** True where the item is to be shown; the same one a second time is not, and hides nothing. */
  #take(exposed: string, owned: Owned): boolean {
    const taken = this.owners.get(exposed);
    if (!taken) this.owners.set(exposed, owned);
    else if (!isSame(taken, owned)) this.hidden.push({ kind: this.#kind, exposed, ...owned, takenBy: taken });
    return taken === undefined;
  }
}

function selected(
  member: VirtualMember,
  kind: ListKind,
  items: readonly ListedItem[],
): readonly ListedItem[] {
  if (kind === 'resources' || kind === 'resourceTemplates') return member.resources === false ? [] : items;
  const names = kind === 'tools' ? member.tools : member.prompts;
  if (names === undefined) return items;
  const exact = new Set(names);
  const patterns = names.filter((name) => name.includes('*'));
  return items.filter(
    ({ own }) => exact.has(own) || patterns.some((pattern) => matchesPattern(pattern, own)),
  );
}

/** Whose tool or prompt this is; its canonical name is `exposedName(server, own)`. Undefined where nothing is called so. */
export function virtualOwner(
  compiled: CompiledVirtual,
  kind: 'tools' | 'prompts',
  exposed: string,
): Owned | undefined {
  return compiled.owners[kind].get(exposed);
}

/** Whose resource (or template) this is: only of members that share their resources, listed or not. */
export function virtualUriOwner(definition: VirtualServer, exposed: string): Owned | undefined {
  const owned = ownedUri(exposed);
  const shares = definition.members.some((m) => m.server === owned?.server && m.resources !== false);
  return shares ? owned : undefined;
}

/** The result text of one list; `permits` leaves out what its caller must not see, also among what is hidden. */
export function virtualResult(
  compiled: CompiledVirtual,
  kind: ListKind,
  permits: (owned: Owned) => boolean = () => true,
): string {
  const texts = compiled.items[kind].filter(permits).map(({ text }) => text);
  const meta = { ...absentMeta(compiled.absent), ...hiddenMeta(compiled, kind, permits) };
  const said = Object.keys(meta).length === 0 ? '' : `,"_meta":${JSON.stringify(meta)}`;
  return `{"${kind}":[${texts.join(',')}]${said}}`;
}

const absentMeta = (absent: readonly Absence[]): object =>
  absent.length === 0 ? {} : { [absentMetaKey]: absent };

function hiddenMeta(compiled: CompiledVirtual, kind: ListKind, permits: (owned: Owned) => boolean): object {
  const hidden = compiled.hidden.filter((each) => each.kind === kind && permits(each));
  if (hidden.length === 0) return {};
  const items = hidden.slice(0, hiddenShownMax).map(({ exposed, server, own, takenBy }) => ({
    name: exposed,
    server,
    own,
    takenBy: takenBy.server,
  }));
  return { [hiddenMetaKey]: { count: hidden.length, items } };
}
