/** What all servers offer, kept fresh in the background, so that a list is answered at once and no server can hold it up. */

import {
  aggregateResult,
  filtersTools,
  isFault,
  listKinds,
  permitTool,
  exposedName,
  serverKey,
  type Absence,
  type Fault,
  type ListKind,
  type ListedItem,
  type PolicyProfile,
  type Server,
  type ServerKey,
  type Snapshot,
  type TenantId,
} from '@cruvero/core';
import type { Clock, Random, Telemetry, Timer } from '@cruvero/ports';
import type { KnownLists } from '../control/last-known.ts';
import { serversOf, type SnapshotChange } from '../control/state.ts';
import type { Links } from '../links.ts';
import {
  announcedLists,
  changedKinds,
  failed,
  look,
  repeatableTools,
  seen,
  unknownLists,
  type Lists,
  type ServerLists,
} from './server-lists.ts';

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
  /** Tools that may run twice without harm. */
  repeatable: ReadonlySet<string>;
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
  /** Aggregate results by tenant, kind and profile; dropped as soon as anything of it changes. */
  readonly #results = new Map<
    string,
    { readonly text: string; readonly profile: PolicyProfile | undefined }
  >();

  constructor(parts: CatalogParts, known: KnownLists) {
    this.#parts = parts;
    for (const [key, server] of parts.snapshot().servers) this.#watch(key, server, readKnown(known[key]));
    parts.telemetry.metrics.gauge(
      'mcpgw_active_registrations',
      'Servers by how the last look at them went',
      () => this.#counts(),
    );
  }

  /** The text of an aggregate list for one tenant, as this profile may see it. */
  list(kind: ListKind, tenantId: TenantId, profile: PolicyProfile): string {
    const hides = kind === 'tools' && profile.enforcementMode === 'enforce' && filtersTools(profile);
    const by = hides ? profile : undefined;
    const key = `${tenantId}/${kind}/${by?.name ?? ''}`;
    const kept = this.#results.get(key);
    // A call that began under an older policy brings an older profile of the same name.
    if (kept && kept.profile === by) return kept.text;
    const text = this.#aggregate(kind, tenantId, by);
    this.#results.set(key, { text, profile: by });
    return text;
  }

  /** True where the server said that the tool may run twice without harm. */
  idempotent(server: Server, tool: string): boolean {
    return this.#watched.get(serverKey(server.tenantId, server.name))?.repeatable.has(tool) ?? false;
  }

  listsOf(server: Server): ServerLists {
    return this.#watched.get(serverKey(server.tenantId, server.name))?.lists ?? unknownLists;
  }

  /** Follows a new snapshot. */
  follow(change: SnapshotChange): void {
    this.#results.clear();
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
    for (const watched of this.#watched.values()) {
      watched.timer?.cancel();
      watched.abort.abort();
    }
    this.#watched.clear();
  }

  #watch(key: ServerKey, server: Server, known: Lists | undefined): void {
    const watched: Watched = {
      server,
      lists: known ? { lists: known, state: { at: 'unknown' } } : announcedLists(server),
      repeatable: repeatableTools(known),
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
    const { clock, links, telemetry } = this.#parts;
    const outcome = await this.#lookAtAny(watched, links);
    if (watched.abort.signal.aborted) return;
    const { server } = watched;
    const before = watched.lists;
    if (isFault(outcome)) {
      watched.failures += 1;
      watched.lists = failed(before, outcome, clock);
      const state = watched.lists.state;
      if (watched.failures === 1) {
        telemetry.log.warn('a server cannot be listed', {
          server: server.name,
          reason: state.at === 'failed' ? state.reason : '',
        });
      }
    } else {
      watched.failures = 0;
      watched.lists = seen(outcome, clock);
      watched.repeatable = repeatableTools(outcome);
    }
    const kinds = isFault(outcome) ? [] : changedKinds(before.lists, outcome);
    if (kinds.length > 0 || before.state.at !== watched.lists.state.at) this.#results.clear();
    if (kinds.length > 0) this.#parts.onChange(server.tenantId, server, kinds);
  }

  /** The first instance that answers speaks for the server. */
  async #lookAtAny(watched: Watched, links: Links): Promise<Lists | Fault> {
    const detail = 'it has no running instance';
    let outcome: Lists | Fault = {
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
      outcome = await look(link, watched.abort);
      if (isFault(outcome) && outcome.fault === 'upstream_broken' && watched.failures === 0 && !replaced) {
        // It may have been replaced by one of the other era.
        await link.reask();
        outcome = await look(link, watched.abort);
      }
      if (!isFault(outcome)) return outcome;
    }
    return outcome;
  }

  #aggregate(kind: ListKind, tenantId: TenantId, profile: PolicyProfile | undefined): string {
    const listed: { server: Server['name']; items: readonly ListedItem[] }[] = [];
    const absent: Absence[] = [];
    for (const server of serversOf(this.#parts.snapshot(), tenantId)) {
      const { lists, state } = this.listsOf(server);
      const items = lists?.[kind] ?? [];
      listed.push({
        server: server.name,
        items: profile ? items.filter((i) => permits(profile, server, i)) : items,
      });
      if (!lists)
        absent.push({
          server: server.name,
          reason: state.at === 'failed' ? state.reason : 'It is being asked for the first time.',
        });
    }
    return aggregateResult(kind, listed, absent);
  }

  #counts() {
    const counts = { unknown: 0, seen: 0, failed: 0 };
    for (const { lists } of this.#watched.values()) counts[lists.state.at] += 1;
    return Object.entries(counts).map(([status, value]) => ({ value, labels: { status } }));
  }
}

function permits(profile: PolicyProfile, server: Server, item: ListedItem): boolean {
  return permitTool(profile, exposedName(server.name, item.own)).allowed;
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
