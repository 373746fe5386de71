/** What callers see of all servers' lists: the aggregate under two name styles and the virtual servers, each made once per change. */

import {
  aggregateResult,
  compileVirtual,
  exposedName,
  filtersTools,
  legacyItem,
  listShapes,
  modernItem,
  modernResult,
  nameIndex,
  ownerByName,
  permitTool,
  renameItem,
  serverKey,
  styledKey,
  virtualOwner,
  virtualResult,
  type Absence,
  type CompiledVirtual,
  type Era,
  type ListedItem,
  type ListKind,
  type NameIndex,
  type Owned,
  type PolicyProfile,
  type Reply,
  type Server,
  type ServerName,
  type Snapshot,
  type TenantId,
} from '@cruvero/core';
import { serversOf } from '../control/state.ts';
import { doorKey, type Door } from '../door.ts';
import { unknownReason, type ServerLists } from './server-lists.ts';

export interface ViewParts {
  readonly snapshot: () => Snapshot;
  readonly listsOf: (server: Server) => ServerLists;
}

export type SharedDoor = Exclude<Door, { door: 'server' }>;

/** Results are kept per profile, and profiles may be many: so much of them all together. */
const keptBytesMax = 64 << 20;

/** A list as it goes out; its text is made again for the few who need it. */
class ListResult {
  readonly kind = 'result';
  readonly pieces: readonly [Buffer];
  /** Whose view it is; undefined where it is everybody's. */
  readonly profile: PolicyProfile | undefined;

  constructor(text: string, profile: PolicyProfile | undefined) {
    this.pieces = [Buffer.from(text)];
    this.profile = profile;
  }

  get bytes(): number {
    return this.pieces[0].length;
  }

  get text(): string {
    return this.pieces[0].toString();
  }

  toJSON(): Reply {
    return { kind: 'result', text: this.text };
  }
}

export class Views {
  readonly #parts: ViewParts;
  /** By tenant, door, kind, era and profile; dropped as soon as anything of them changes. */
  readonly #results = new Map<string, ListResult>();
  #keptBytes = 0;
  readonly #virtuals = new Map<string, CompiledVirtual>();
  readonly #names = new Map<string, NameIndex>();

  constructor(parts: ViewParts) {
    this.#parts = parts;
  }

  clear(): void {
    this.#forgetResults();
    this.#virtuals.clear();
    this.#names.clear();
  }

  /** A list as this profile may see it; undefined for a virtual server that does not exist. */
  list(
    kind: ListKind,
    door: SharedDoor,
    tenantId: TenantId,
    profile: PolicyProfile,
    era: Era,
  ): Reply | undefined {
    const hides = kind === 'tools' && profile.enforcementMode === 'enforce' && filtersTools(profile);
    const by = hides ? profile : undefined;
    const key = `${tenantId}/${doorKey(door)}/${kind}/${era}/${by?.name ?? ''}`;
    const kept = this.#results.get(key);
    // A call that began under an older policy brings an older profile of the same name.
    if (kept && kept.profile === by) return kept;
    const text =
      door.door === 'virtual'
        ? this.#virtualList(kind, door.name, tenantId, by, era)
        : this.#aggregate(kind, door.names, tenantId, by, era);
    if (text === undefined) return undefined;
    const result = new ListResult(era === 'modern' ? modernResult(listShapes[kind].method, text) : text, by);
    if (this.#keptBytes + result.bytes > keptBytesMax) this.#forgetResults();
    this.#keptBytes += result.bytes;
    this.#results.set(key, result);
    return result;
  }

  #forgetResults(): void {
    this.#results.clear();
    this.#keptBytes = 0;
  }

  /** Whose tool or prompt goes by this name at this door. */
  ownerOf(
    kind: 'tools' | 'prompts',
    door: SharedDoor,
    tenantId: TenantId,
    exposed: string,
  ): Owned | undefined {
    if (door.door === 'virtual') {
      const compiled = this.virtual(door.name, tenantId);
      return compiled && virtualOwner(compiled, kind, exposed);
    }
    if (door.names === 'canonical') return ownerByName('canonical', exposed);
    return this.#index(kind, tenantId).ownerOf(exposed) ?? ownerByName('safe', exposed);
  }

  virtual(name: ServerName, tenantId: TenantId): CompiledVirtual | undefined {
    const key = serverKey(tenantId, name);
    const kept = this.#virtuals.get(key);
    if (kept) return kept;
    const definition = this.#parts.snapshot().virtuals.get(key);
    if (!definition) return undefined;
    const compiled = compileVirtual(definition, (member) => this.#memberLists(tenantId, member));
    this.#virtuals.set(key, compiled);
    return compiled;
  }

  #memberLists(tenantId: TenantId, name: ServerName) {
    const server = this.#parts.snapshot().servers.get(serverKey(tenantId, name));
    if (!server) return undefined;
    const listed = this.#parts.listsOf(server);
    return listed.lists ?? { absent: unknownReason(listed) };
  }

  #index(kind: 'tools' | 'prompts', tenantId: TenantId): NameIndex {
    const key = `${tenantId}/${kind}`;
    let index = this.#names.get(key);
    if (!index) {
      const servers = serversOf(this.#parts.snapshot(), tenantId);
      const listed = servers.map((server) => ({
        server: server.name,
        items: this.#parts.listsOf(server).lists?.[kind] ?? [],
      }));
      this.#names.set(key, (index = nameIndex('safe', listed)));
    }
    return index;
  }

  #virtualList(
    kind: ListKind,
    name: ServerName,
    tenantId: TenantId,
    profile: PolicyProfile | undefined,
    era: Era,
  ): string | undefined {
    const compiled = this.virtual(name, tenantId);
    if (!compiled) return undefined;
    const items = compiled.items[kind].map((item) => ({ ...item, text: inEra(era, kind, item.text) }));
    const shown = { ...compiled, items: { ...compiled.items, [kind]: items } };
    return virtualResult(shown, kind, (owned) => !profile || permits(profile, owned.server, owned.own));
  }

  #aggregate(
    kind: ListKind,
    style: 'canonical' | 'safe',
    tenantId: TenantId,
    profile: PolicyProfile | undefined,
    era: Era,
  ): string {
    const texts: string[] = [];
    const absent: Absence[] = [];
    for (const server of serversOf(this.#parts.snapshot(), tenantId)) {
      const listed = this.#parts.listsOf(server);
      for (const item of listed.lists?.[kind] ?? []) {
        if (profile && !permits(profile, server.name, item.own)) continue;
        texts.push(inEra(era, kind, exposed(style, kind, server.name, item)));
      }
      if (!listed.lists) absent.push({ server: server.name, reason: unknownReason(listed) });
    }
    return aggregateResult(kind, texts, absent);
  }
}

function exposed(style: 'canonical' | 'safe', kind: ListKind, server: ServerName, item: ListedItem): string {
  return renameItem(kind, item, styledKey(style, kind, server, item.own));
}

function inEra(era: Era, kind: ListKind, text: string): string {
  return era === 'modern' ? modernItem(kind, text) : legacyItem(kind, text);
}

function permits(profile: PolicyProfile, server: ServerName, own: string): boolean {
  return permitTool(profile, exposedName(server, own)).allowed;
}
