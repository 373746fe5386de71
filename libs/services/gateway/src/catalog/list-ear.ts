/** Hears from servers that their lists changed, one ear a server. */

import {
  isJsonObject,
  listKinds,
  listShapes,
  serverKey,
  type Instance,
  type ListKind,
  type Server,
  type ServerFace,
  type ServerKey,
} from '@cruvero/core';
import { linkTerms, type Feed } from '@cruvero/upstream';
import type { Links } from '../links.ts';
import { stateKey } from '../filters/balance.ts';

type Capability = 'tools' | 'prompts' | 'resources';
const listNotification = /^\{[^]*"notifications\/(tools|prompts|resources)\/list_changed"/;

export class ListEar {
  readonly #links: Links;
  readonly #onChange: (server: Server, kinds: readonly ListKind[]) => void;
  readonly #feeds = new Map<ServerKey, { readonly at: string; readonly feed: Feed }>();

  constructor(links: Links, onChange: (server: Server, kinds: readonly ListKind[]) => void) {
    this.#links = links;
    this.#onChange = onChange;
  }

  /** Listens at this instance from now on, where the server says that it tells of changes. */
  listen(server: Server, instance: Instance, face: ServerFace): void {
    const key = serverKey(server.tenantId, server.name);
    const at = stateKey(server, instance);
    const held = this.#feeds.get(key);
    if (held?.at === at) return;
    held?.feed.close();
    this.#feeds.delete(key);
    const lists = declared(face);
    if (lists.size === 0) return;
    const filter = { lists, uris: [], taskIds: [] };
    const feed = this.#links.of(server, instance).listen(linkTerms, filter, {
      onNotification: (text) => {
        const changed = listNotification.exec(text)?.[1];
        if (changed !== undefined) this.#onChange(server, kindsOf(changed as Capability));
      },
      onState: () => undefined,
      // What changed meanwhile is not known, so all of it is looked at; nothing is told unless something differs.
      onGap: () => this.#onChange(server, []),
    });
    this.#feeds.set(key, { at, feed });
  }

  forget(server: Server): void {
    const key = serverKey(server.tenantId, server.name);
    this.#feeds.get(key)?.feed.close();
    this.#feeds.delete(key);
  }

  close(): void {
    for (const { feed } of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }
}

function declared(face: ServerFace): ReadonlySet<Capability> {
  const lists = new Set<Capability>();
  for (const name of ['tools', 'prompts', 'resources'] as const) {
    const capability = face.capabilities[name];
    if (isJsonObject(capability) && capability['listChanged'] === true) lists.add(name);
  }
  return lists;
}

function kindsOf(changed: Capability): readonly ListKind[] {
  return listKinds.filter((kind) => listShapes[kind].capability === changed);
}
