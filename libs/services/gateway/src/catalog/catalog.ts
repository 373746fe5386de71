/** What all servers offer, kept fresh in the background, so that a list is answered at once and no server can hold it up. */

import {
  isFault,
  listKinds,
  serverKey,
  type Fault,
  type ListKind,
  type ListedItem,
  type Server,
  type ServerFace,
  type ServerKey,
  type Snapshot,
  type TenantId,
} from '@cruvero/core';
import type { Clock, Random, Telemetry, Timer } from '@cruvero/ports';
import type { KnownLists } from '../control/last-known.ts';
import type { SnapshotChange } from '../control/state.ts';
import type { Links } from '../links.ts';
import { ListEar } from './list-ear.ts';
import {
  announcedLists,
  changedKinds,
  failed,
  look,
  seen,
  unknownLists,
  type Lists,
  type Looked,
  type ServerLists,
} from './server-lists.ts';
import { toolFacts, type ToolFacts } from './tool-facts.ts';
import { Views } from './views.ts';

export interface CatalogParts {
  readonly links: Links;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
  readonly snapshot: () => Snapshot;
  /** Told once per change, after the new list can be asked for. */
  readonly onChange: (tenantId: TenantId, server: Server, kinds: readonly ListKind[]) => void;
  /** A server's lists are asked again after so long; sooner after a failure. */
  readonly listAgeMs: number;
}

const retryFirstMs = 1_000;

interface Watched {
  server: Server;
  lists: ServerLists;
  tools: ReadonlyMap<string, ToolFacts>;
  /** What the server said of itself when it was last looked at. */
  face: ServerFace | undefined;
  /** Lists that the server itself said have changed, since the last look began. */
  notified: Set<ListKind>;
  looking: Promise<void> | undefined;
  again: boolean;
  /** Another version may stand at the address: what it said of itself is asked anew. */
  replaced: boolean;
  failures: number;
  timer: Timer | undefined;
  abort: AbortController;
}

export class Catalog {
  readonly #parts: CatalogParts;
  readonly #watched = new Map<ServerKey, Watched>();
  readonly #ear: ListEar;
  /** What callers see of it. */
  readonly views: Views;

  constructor(parts: CatalogParts, known: KnownLists) {
    this.#parts = parts;
    this.views = new Views({ snapshot: parts.snapshot, listsOf: (server) => this.listsOf(server) });
    this.#ear = new ListEar(parts.links, (server, kinds) => this.#heard(server, kinds));
    for (const [key, server] of parts.snapshot().servers) this.#watch(key, server, readKnown(known[key]));
    parts.telemetry.metrics.gauge(
      'mcpgw_active_registrations',
      'Servers by how the last look at them went',
      () => this.#counts(),
    );
  }

  /** What is known of one tool; undefined where the server never listed it. */
  toolOf(server: Server, tool: string): ToolFacts | undefined {
    return this.#of(server)?.tools.get(tool);
  }

  /** What the server said of itself when it was last looked at; undefined before that. */
  faceOf(server: Server): ServerFace | undefined {
    return this.#of(server)?.face;
  }

  /** Looks at the server's lists now, and resolves when that is done. */
  async refresh(server: Server): Promise<void> {
    const watched = this.#of(server);
    if (!watched) return;
    this.#lookNow(watched);
    await watched.looking;
  }

  listsOf(server: Server): ServerLists {
    return this.#of(server)?.lists ?? unknownLists;
  }

  /** Follows a new snapshot. */
  follow(change: SnapshotChange): void {
    this.views.clear();
    for (const server of change.removed) this.#unwatch(server);
    for (const server of change.added) {
      this.#watch(serverKey(server.tenantId, server.name), server, undefined);
      this.#parts.onChange(server.tenantId, server, ['tools']);
    }
    for (const server of change.changed) this.#changed(server);
  }

  /** True when every server of the present snapshot was looked at, with or without success. */
  isSettled(): boolean {
    return [...this.#watched.values()].every((w) => w.lists.state.at !== 'unknown');
  }

  /** For the last-known file. */
  known(): KnownLists {
    const known: Record<string, Record<string, readonly string[]>> = {};
    for (const [key, { lists }] of this.#watched) {
      if (!lists.lists) continue;
      const kinds: Record<string, readonly string[]> = {};
      for (const kind of listKinds)
        kinds[kind] = lists.lists[kind].map((item) => JSON.stringify([item.own, item.text]));
      known[key] = kinds;
    }
    return known;
  }

  close(): void {
    this.#ear.close();
    for (const watched of this.#watched.values()) {
      watched.timer?.cancel();
      watched.abort.abort();
    }
    this.#watched.clear();
  }

  #of(server: Server): Watched | undefined {
    return this.#watched.get(serverKey(server.tenantId, server.name));
  }

  /** A server said that its lists changed: they are looked at, and listeners told even where they read as before. */
  #heard(server: Server, kinds: readonly ListKind[]): void {
    const watched = this.#of(server);
    if (!watched) return;
    for (const kind of kinds) watched.notified.add(kind);
    this.#lookNow(watched);
  }

  #watch(key: ServerKey, server: Server, known: Lists | undefined): void {
    const watched: Watched = {
      server,
      lists: known ? { lists: known, state: { at: 'unknown' } } : announcedLists(server),
      tools: toolFacts(known),
      face: undefined,
      notified: new Set(),
      looking: undefined,
      again: false,
      replaced: false,
      failures: 0,
      timer: undefined,
      abort: new AbortController(),
    };
    this.#watched.set(key, watched);
    this.#lookNow(watched);
  }

  #unwatch(server: Server): void {
    const key = serverKey(server.tenantId, server.name);
    const watched = this.#watched.get(key);
    if (!watched) return;
    watched.timer?.cancel();
    watched.abort.abort();
    this.#watched.delete(key);
    this.#ear.forget(server);
    this.#parts.onChange(server.tenantId, server, listKinds);
  }

  #changed(server: Server): void {
    const watched = this.#watched.get(serverKey(server.tenantId, server.name));
    if (!watched) return;
    watched.server = server;
    watched.replaced = true;
    watched.failures = 0;
    this.#lookNow(watched);
  }

  #lookNow(watched: Watched): void {
    watched.timer?.cancel();
    if (watched.looking) {
      watched.again = true;
      return;
    }
    watched.again = false;
    watched.looking = this.#look(watched).finally(() => {
      watched.looking = undefined;
      if (this.#watched.get(serverKey(watched.server.tenantId, watched.server.name)) !== watched) return;
      if (watched.again) this.#lookNow(watched);
      else watched.timer = this.#parts.clock.after(this.#pauseMs(watched), () => this.#lookNow(watched));
    });
  }

  /** Failures are looked at again soon, then slower and slower; success after the list's age, with jitter. */
  #pauseMs(watched: Watched): number {
    const { listAgeMs, random } = this.#parts;
    const pauseMs =
      watched.failures === 0
        ? listAgeMs
        : Math.min(listAgeMs, retryFirstMs * 2 ** Math.min(watched.failures - 1, 12));
    return pauseMs * (0.75 + random() / 2);
  }

  async #look(watched: Watched): Promise<void> {
    const notified = new Set(watched.notified);
    watched.notified.clear();
    const outcome = await this.#lookAtAny(watched, this.#parts.links);
    if (watched.abort.signal.aborted) return;
    const { server } = watched;
    const before = watched.lists;
    if (isFault(outcome)) this.#missed(watched, outcome);
    else this.#saw(watched, outcome);
    const kinds = isFault(outcome) ? [] : changedKinds(before.lists, outcome.lists, notified);
    if (isFault(outcome)) for (const kind of notified) watched.notified.add(kind);
    if (kinds.length > 0 || before.state.at !== watched.lists.state.at) this.views.clear();
    if (kinds.length > 0) this.#parts.onChange(server.tenantId, server, kinds);
  }

  #missed(watched: Watched, fault: Fault): void {
    watched.failures += 1;
    watched.lists = failed(watched.lists, fault, this.#parts.clock);
    const { state } = watched.lists;
    if (watched.failures !== 1) return;
    this.#parts.telemetry.log.warn('a server cannot be listed', {
      server: watched.server.name,
      reason: state.at === 'failed' ? state.reason : '',
    });
  }

  #saw(watched: Watched, looked: Looked): void {
    watched.failures = 0;
    watched.lists = seen(looked.lists, this.#parts.clock);
    watched.tools = toolFacts(looked.lists);
    watched.face = looked.face;
    for (const { tool, problem } of looked.dropped) {
      this.#parts.telemetry.log.warn('a tool is not offered', {
        server: watched.server.name,
        tool,
        reason: problem,
      });
    }
    this.#ear.listen(watched.server, looked.instance, looked.face);
  }

  /** The first instance that answers speaks for the server. */
  async #lookAtAny(watched: Watched, links: Links): Promise<Looked | Fault> {
    const detail = 'it has no running instance';
    let outcome: Looked | Fault = {
      fault: 'upstream_unavailable',
      server: watched.server.name,
      detail,
      neverLeft: true,
    };
    const { replaced } = watched;
    watched.replaced = false;
    for (const instance of watched.server.instances) {
      const link = links.of(watched.server, instance);
      if (replaced) await link.reask();
      outcome = await look(link, instance, watched.abort);
      if (isFault(outcome) && outcome.fault === 'upstream_broken' && watched.failures === 0 && !replaced) {
        // It may have been replaced by one of the other era.
        await link.reask();
        outcome = await look(link, instance, watched.abort);
      }
      if (!isFault(outcome)) return outcome;
    }
    return outcome;
  }

  #counts() {
    const counts = { unknown: 0, seen: 0, failed: 0 };
    for (const { lists } of this.#watched.values()) counts[lists.state.at] += 1;
    return Object.entries(counts).map(([status, value]) => ({ value, labels: { status } }));
  }
}

/** Undefined where the file has nothing usable on the server. */
function readKnown(kinds: KnownLists[string] | undefined): Lists | undefined {
  if (!kinds) return undefined;
  const lists: Partial<Record<ListKind, readonly ListedItem[]>> = {};
  for (const kind of listKinds) lists[kind] = (kinds[kind] ?? []).flatMap(readKnownItem);
  return lists as Lists;
}

function readKnownItem(text: string): readonly ListedItem[] {
  try {
    const pair: unknown = JSON.parse(text);
    if (Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'string')
      return [{ own: pair[0], text: pair[1] }];
  } catch {
    // A damaged item is asked for again.
  }
  return [];
}
