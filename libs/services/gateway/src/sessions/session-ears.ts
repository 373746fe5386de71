/** What servers say to one legacy session outside of its calls: updates of resources, messages, questions. */

import {
  exposeNotifiedUri,
  isJsonProblem,
  objectMembers,
  serverKey,
  stringAt,
  textOf,
  wholeObject,
  type Fault,
  type Instance,
  type Server,
  type ServerName,
  type Snapshot,
} from '@cruvero/core';
import type { Feed } from '@cruvero/upstream';
import { LegacyCaller, type AskingParts } from '../callers/legacy-caller.ts';
import { roomAt, type LegacyTasks, type TaskRoom } from '../legacy-tasks.ts';
import type { Links } from '../links.ts';
import type { Heard } from '../session-talk.ts';
import { termsOfSession } from '../terms.ts';
import type { ClientSession } from './client-session.ts';

export interface EarParts extends AskingParts {
  readonly links: Links;
  readonly legacyTasks: LegacyTasks;
  /** For the session's stream at another replica. */
  readonly heard: (uid: string, heard: Heard) => void;
}

const nothing = { lists: new Set<never>(), uris: [], taskIds: [] };

export class SessionEars {
  readonly #parts: EarParts;
  /** Sessions whose ears went with their instances, and at which servers. */
  readonly #lost = new Map<ClientSession, Set<ServerName>>();

  constructor(parts: EarParts) {
    this.#parts = parts;
  }

  /** The session's ear at this server, opened on first need; it ends with the session. */
  at(session: ClientSession, server: Server): Feed | Fault {
    const { feeds, instances } = session.work();
    const held = feeds.get(server.name);
    if (held) return held;
    const instance = instanceFor(server, instances.get(server.name));
    if (!instance) {
      const detail = 'it has no running instance';
      return { fault: 'upstream_unavailable', server: server.name, detail, neverLeft: true };
    }
    const { legacyTasks } = this.#parts;
    const room = roomAt(session.facts.principal, session, server, instance);
    const asker = new LegacyCaller(session, onStream(session), undefined, this.#parts);
    const terms = termsOfSession(session);
    const link = this.#parts.links.of(server, instance);
    const say = (text: string): void => {
      if (session.stream?.send(text) === true) return;
      this.#parts.heard(session.uid, { server: server.name, shared: link.shares(terms), text });
    };
    const feed: Feed = link.listen(terms, nothing, {
      onNotification: (text) => this.#deliver(session, server, room, text, say),
      onRequest: (question, signal, progress) =>
        legacyTasks.asked(room, question, (mapped) => asker.ask(mapped, signal, progress)),
      onState: () => undefined,
      onGap: () => tellUpdated(session, server, say),
      onOver: () => this.#forget(session, server, feed),
    });
    feeds.set(server.name, feed);
    return feed;
  }

  /** Each session whose ear went with its instance, once its server has another one in the snapshot. */
  takeLost(snapshot: Snapshot): readonly { readonly session: ClientSession; readonly server: Server }[] {
    return [...this.#lost].flatMap(([session, names]) => {
      const found = [...names].flatMap((name) => {
        const server = snapshot.servers.get(serverKey(session.facts.principal.tenantId, name));
        return server && instanceFor(server, undefined) ? [server] : [];
      });
      for (const { name } of found) names.delete(name);
      if (names.size === 0 || !session.workIfAny()) this.#lost.delete(session);
      // Without a stream nobody would hear it: the next one asks for all of it.
      return session.stream ? found.map((server) => ({ session, server })) : [];
    });
  }

  /** Another session at another instance knows nothing of what this one had subscribed to. */
  #forget(session: ClientSession, server: Server, feed: Feed): void {
    const work = session.workIfAny();
    if (work?.feeds.get(server.name) !== feed) return;
    work.feeds.delete(server.name);
    for (const uri of work.subscribed) if (isOf(session, server, uri)) work.subscribed.delete(uri);
    this.#lost.set(session, (this.#lost.get(session) ?? new Set()).add(server.name));
  }

  /** Changes of lists come from the catalog, for every server alike. */
  #deliver(
    session: ClientSession,
    server: Server,
    room: TaskRoom,
    text: string,
    say: (text: string) => void,
  ): void {
    const members = wholeObject(text);
    const method = isJsonProblem(members) ? undefined : stringAt(text, members.get('method'));
    if (method === undefined || method.endsWith('/list_changed')) return;
    this.#parts.legacyTasks.notified(room, text, (told) => {
      const shown = session.facts.door.door === 'server' ? told : exposeNotifiedUri(server.name, told);
      if (isWanted(session, shown)) say(shown);
    });
  }
}

/** A change that was on its way when the client took its subscription back is not told any more. */
function isWanted(session: ClientSession, text: string): boolean {
  const uri = updatedUri(text);
  return uri === undefined || [...(session.workIfAny()?.uris ?? [])].some((one) => covers(one, uri));
}

const onStream = (session: ClientSession) => ({
  notify: (text: string) => void session.stream?.send(text),
  ask: (text: string) => session.stream?.send(text) ?? false,
});

export function instanceFor(server: Server, instanceId: string | undefined): Instance | undefined {
  const known = server.instances.find((i) => i.instanceId === instanceId);
  return known ?? server.instances.find((i) => i.health !== 'expired');
}

/**
 * What another replica heard from a server for this session, whose stream is here. Where each replica has a session of its own
 * there, this one hears the server itself, but for the resources that only the other one has subscribed to.
 */
export function takeHeard(session: ClientSession, { server, shared, text }: Heard): void {
  const work = session.workIfAny();
  if (!shared && work?.feeds.has(server) === true) {
    const uri = updatedUri(text);
    if (uri === undefined || [...work.subscribed].some((one) => covers(one, uri))) return;
  }
  session.stream?.send(text);
}

function updatedUri(text: string): string | undefined {
  const { method, uri } = subjectOf(text);
  return method === 'notifications/resources/updated' ? uri : undefined;
}

/** What a notification is, and which resource or task it is about. */
export function subjectOf(text: string) {
  const members = wholeObject(text);
  if (isJsonProblem(members)) return {};
  const params = members.get('params');
  const own = params && textOf(text, params);
  const inside = own === undefined ? undefined : objectMembers(own, 0);
  const member = (name: string): string | undefined =>
    own === undefined || inside === undefined || isJsonProblem(inside)
      ? undefined
      : stringAt(own, inside.get(name));
  return { method: stringAt(text, members.get('method')), uri: member('uri'), taskId: member('taskId') };
}

/** A server may tell of a part of what was subscribed to (MCP, "Resources", subscriptions). */
export function covers(subscribed: string, uri: string | undefined): boolean {
  return (
    uri !== undefined &&
    (uri === subscribed || uri.startsWith(subscribed.endsWith('/') ? subscribed : `${subscribed}/`))
  );
}

/** Something may have been missed: every resource that was subscribed to may have changed. */
function tellUpdated(session: ClientSession, server: Server, say: (text: string) => void): void {
  for (const uri of session.workIfAny()?.uris ?? []) if (isOf(session, server, uri)) say(updatedText(uri));
}

/** Whether the resource, as the client names it, is of this server. */
function isOf(session: ClientSession, server: Server, uri: string): boolean {
  return session.facts.door.door === 'server' || uri.startsWith(`mcp://${server.name}/`);
}

export function updatedText(uri: string): string {
  return `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":${JSON.stringify(uri)}}}`;
}
