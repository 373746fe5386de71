/** All instances: what is configured is made to run, what is not is made to end; a changed entry new-then-old. */

import { readInstanceId, type InstanceId, type ServerName } from '@cruvero/core';
import type { Log, ServersRead } from '@cruvero/ports';
import type { CommandServer } from './entry.ts';
import type { Instance } from './instance.ts';
import { canonicalJson } from './listing.ts';

export interface FleetParts {
  readonly bridgeId: string;
  readonly log: Log;
  start(entry: CommandServer, id: InstanceId): Instance;
  /**
   * Takes it out of service and ends it. With a handover others have taken its place, and callers who were sent to it are
   * served until they can know.
   */
  retire(instance: Instance, reason: string, handover: boolean): Promise<void>;
}

interface Group {
  fingerprint: string;
  current: Instance[];
  /** Started for a changed entry, not yet in service. */
  next: Instance[];
}

export class Fleet {
  readonly #parts: FleetParts;
  readonly #groups = new Map<ServerName, Group>();
  /** On their way out: no longer in service, but answering until they are stopped. */
  readonly #leaving = new Map<Instance, Promise<void>>();
  #closed = false;

  constructor(parts: FleetParts) {
    this.#parts = parts;
  }

  /** Those in service first, then those that will replace them. */
  instances(): readonly Instance[] {
    return [...this.#groups.values()].flatMap(({ current, next }) => [...current, ...next]);
  }

  find(server: string, id: string): Instance | undefined {
    const isIt = (instance: Instance): boolean => instance.server === server && instance.id === id;
    return this.instances().find(isIt) ?? [...this.#leaving.keys()].find(isIt);
  }

  /** Makes the fleet what the source says. Returns at once; `settled` tells of the outcome. */
  apply(read: ServersRead): void {
    if (this.#closed) return;
    for (const problem of read.problems) this.#parts.log.warn('configuration', { problem });
    const wanted = new Map<ServerName, CommandServer>();
    for (const server of read.servers) if (server.kind === 'command') wanted.set(server.name, server);
    for (const [name, group] of this.#groups) {
      if (wanted.has(name)) continue;
      this.#groups.delete(name);
      for (const instance of [...group.current, ...group.next])
        this.#retire(instance, 'removed from the configuration');
    }
    for (const entry of wanted.values()) this.#want(entry);
  }

  #want(entry: CommandServer): void {
    const fingerprint = fingerprintOf(entry);
    const group = this.#groups.get(entry.name);
    if (!group) {
      const fresh: Group = { fingerprint, current: [], next: [] };
      this.#groups.set(entry.name, fresh);
      fresh.current = this.#startSome(entry, entry.instances);
      return;
    }
    if (group.fingerprint === fingerprint) this.#scale(group, entry);
    else this.#replace(group, entry, fingerprint);
  }

  #scale(group: Group, entry: CommandServer): void {
    const running = group.next.length > 0 ? group.next : group.current;
    for (const instance of running.splice(entry.instances))
      this.#retire(instance, 'fewer instances are configured', true);
    running.push(...this.#startSome(entry, entry.instances - running.length));
  }

  #replace(group: Group, entry: CommandServer, fingerprint: string): void {
    for (const instance of group.next) this.#retire(instance, 'replaced before it was in service');
    group.fingerprint = fingerprint;
    const next = this.#startSome(entry, entry.instances);
    group.next = next;
    this.#parts.log.info('entry changed: new instances are started before the old ones are stopped', {
      server: entry.name,
    });
    void Promise.all(next.map((instance) => instance.discovered)).then((found) => {
      // Replaced again meanwhile, or removed.
      if (group.next !== next || !found.includes(true)) return;
      const old = group.current;
      group.current = next;
      group.next = [];
      for (const instance of old) this.#retire(instance, 'replaced', true);
    });
  }

  #startSome(entry: CommandServer, count: number): Instance[] {
    const started: Instance[] = [];
    // An id is given again only when nobody can mean the instance that had it before.
    const taken = new Set([...this.instances(), ...this.#leaving.keys()].map(({ id }) => id));
    for (let ordinal = 0; started.length < count; ordinal += 1) {
      const id = instanceIdOf(entry.name, this.#parts.bridgeId, ordinal);
      if (taken.has(id)) continue;
      started.push(this.#parts.start(entry, id));
    }
    return started;
  }

  #retire(instance: Instance, reason: string, handover = false): void {
    const done = this.#parts.retire(instance, reason, handover).finally(() => this.#leaving.delete(instance));
    this.#leaving.set(instance, done);
  }

  /** Resolves when every instance that is there now was discovered, or has failed once. */
  async settled(): Promise<void> {
    await Promise.all(this.instances().map((instance) => instance.settled));
  }

  async stop(): Promise<void> {
    this.#closed = true;
    for (const instance of this.instances()) this.#retire(instance, 'shutdown');
    await Promise.all(this.#leaving.values());
    this.#groups.clear();
  }
}

/** Whatever makes another process of it; the number of copies does not. */
function fingerprintOf(entry: CommandServer): string {
  const { command, args, env, cwd } = entry;
  return canonicalJson({ command, args, env, cwd });
}

function instanceIdOf(server: ServerName, bridgeId: string, ordinal: number): InstanceId {
  const id = readInstanceId(`${server}.${bridgeId.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, 48)}.${ordinal}`);
  if (id === undefined) throw new Error(`no instance id from ${server}, ${bridgeId}, ${ordinal}`);
  return id;
}
