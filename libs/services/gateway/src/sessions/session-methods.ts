/** Requests that change a legacy session: the level of its log messages, and the resources that it watches. */

import {
  isFault,
  logLevels,
  paramsFrom,
  serverKey,
  stringParam,
  type Fault,
  type Reply,
  type Server,
  type Snapshot,
} from '@cruvero/core';
import type { Clock } from '@cruvero/ports';
import type { Ask, Feed } from '@cruvero/upstream';
import { plainParams, plainRequest, type Links } from '../links.ts';
import type { Permitted } from '../pipeline.ts';
import { findServer, uriOwner } from '../route.ts';
import { termsOfSession } from '../terms.ts';
import type { ClientSession, SessionChange } from './client-session.ts';
import { instanceFor, subjectOf, updatedText, type SessionEars } from './session-ears.ts';
import type { ClientSessions } from './sessions.ts';

export interface SessionMethodParts {
  readonly sessions: Pick<ClientSessions, 'changed'>;
  readonly clock: Clock;
  readonly ears: SessionEars;
  readonly links: Links;
}

const urisMax = 1_000;
const done: Reply = { kind: 'result', text: '{}' };

export class SessionMethods {
  readonly #parts: SessionMethodParts;

  constructor(parts: SessionMethodParts) {
    this.#parts = parts;
  }

  /** Undefined for all other methods, and for callers without a session. */
  answer(call: Permitted): Promise<Reply | Fault> | undefined {
    const { session } = call;
    if (!session) return undefined;
    switch (call.message.method) {
      case 'logging/setLevel':
        return this.#setLevel(call, session);
      case 'resources/subscribe':
        return this.#subscribe(call, session);
      case 'resources/unsubscribe':
        return this.#unsubscribe(call, session);
      default:
        return undefined;
    }
  }

  /** Watches again what the session watched at a replica that is gone. */
  restore(call: Pick<Permitted, 'snapshot' | 'principal' | 'door'>, session: ClientSession): void {
    for (const uri of session.workIfAny()?.uris ?? []) this.#watch(call, session, uri);
  }

  /** Listens at other instances where the ones that sessions listened at are gone. */
  rehear(snapshot: Snapshot): void {
    for (const { session, server } of this.#parts.ears.takeLost(snapshot)) {
      const { door, principal } = session.facts;
      const call = { snapshot, principal, door };
      if (door.door === 'server') this.#parts.ears.at(session, server);
      const { uris, subscribed } = session.work();
      // It may have changed while nobody listened.
      for (const uri of uris)
        if (!subscribed.has(uri))
          this.#watch(call, session, uri, () => void session.stream?.send(updatedText(uri)));
    }
  }

  /** Goes along with what the client told another replica. */
  follow(
    call: Pick<Permitted, 'snapshot' | 'principal' | 'door'>,
    session: ClientSession,
    change: SessionChange,
  ): void {
    if (change.change === 'level') this.#followLevel(call, session, change.level);
    else if (change.change === 'watched' && session.stream) this.#watch(call, session, change.uri);
    else if (change.change === 'unwatched') this.#unwatch(call, session, change.uri);
  }

  #watch(
    call: Pick<Permitted, 'snapshot' | 'principal' | 'door'>,
    session: ClientSession,
    uri: string,
    onWatched: () => void = () => undefined,
  ): void {
    const { subscribed } = session.work();
    const at = subscribed.has(uri) ? undefined : this.#at(call, session, uri);
    if (!at || isFault(at)) return;
    subscribed.add(uri);
    void at.feed.subscribe(at.own, new AbortController()).then((reply) => {
      if (isFault(reply) || reply.kind === 'error') subscribed.delete(uri);
      else onWatched();
    });
  }

  #unwatch(
    call: Pick<Permitted, 'snapshot' | 'principal' | 'door'>,
    session: ClientSession,
    uri: string,
  ): void {
    if (session.workIfAny()?.subscribed.delete(uri) !== true) return;
    const at = this.#at(call, session, uri);
    if (!isFault(at)) void at.feed.unsubscribe(at.own, new AbortController());
  }

  /** Sessions that all replicas use were told by the one that the client told. */
  #followLevel(
    call: Pick<Permitted, 'snapshot' | 'principal' | 'door'>,
    session: ClientSession,
    level: string,
  ): void {
    const params = paramsFrom(JSON.stringify({ level }));
    const request = { ...plainParams('logging/setLevel', params), abort: new AbortController() };
    for (const server of this.#serversOf(call, session))
      void this.#tellLevel(request, session, server, { unshared: true });
  }

  /** Where the server has no say in it, the gateway keeps the level and tells modern servers with each request. */
  async #setLevel(call: Permitted, session: ClientSession): Promise<Reply | Fault> {
    const level = stringParam(call.message.params, 'level');
    if (level === undefined || !logLevels.includes(level))
      return { fault: 'bad_params', detail: `params.level is one of: ${logLevels.join(', ')}.` };
    session.logLevel = level;
    session.logLevelAtMs = this.#parts.clock.nowMs();
    this.#parts.sessions.changed(session, { change: 'level', atMs: session.logLevelAtMs, level });
    // What servers log meanwhile goes where the client hears the answer.
    const onNotification = (text: string): void => {
      if (subjectOf(text).method === 'notifications/message') call.caller.notify(text);
    };
    const request = { ...plainRequest(call, call.abort), onNotification };
    const told = await Promise.all(
      this.#serversOf(call, session).map((server) => this.#tellLevel(request, session, server)),
    );
    // At a server's own door its own answer counts; behind the others nobody is to suffer for one server.
    const refused =
      call.door.door === 'server' ? told.find((reply) => reply !== undefined && !isFault(reply)) : undefined;
    return refused ?? done;
  }

  #serversOf(
    call: Pick<Permitted, 'snapshot' | 'principal' | 'door'>,
    session: ClientSession,
  ): readonly Server[] {
    const { tenantId } = call.principal;
    const names =
      call.door.door === 'server' ? [call.door.name] : [...(session.workIfAny()?.instances.keys() ?? [])];
    return names.flatMap(
      (name) => call.snapshot.servers.get(serverKey(tenantId, name as Server['name'])) ?? [],
    );
  }

  async #tellLevel(
    request: Omit<Ask, 'terms'>,
    session: ClientSession,
    server: Server,
    { unshared = false } = {},
  ): Promise<Reply | Fault | undefined> {
    const instance = instanceFor(server, session.workIfAny()?.instances.get(server.name));
    if (!instance) return undefined;
    const link = this.#parts.links.of(server, instance);
    const terms = termsOfSession(session);
    if (unshared && link.shares(terms)) return undefined;
    const face = await link.face();
    if (isFault(face) || face.era === 'modern' || face.capabilities['logging'] === undefined)
      return undefined;
    const answer = await link.request({ ...request, terms });
    return isFault(answer) ? answer : answer.reply;
  }

  async #subscribe(call: Permitted, session: ClientSession): Promise<Reply | Fault> {
    const uri = stringParam(call.message.params, 'uri');
    const at = this.#at(call, session, uri);
    if (isFault(at)) return at;
    const { uris, subscribed } = session.work();
    if (uris.size >= urisMax && !uris.has(at.exposed)) {
      const detail = `A session watches ${urisMax} resources at most; unsubscribe from some first.`;
      return { fault: 'bad_request', detail };
    }
    // The server counts; a client that subscribes twice has one subscription.
    if (uris.has(at.exposed)) return done;
    const reply = await at.feed.subscribe(at.own, call.abort);
    if (isFault(reply) || reply.kind === 'error') return reply;
    // Asked for twice at once: the feed counts both, the client takes back one.
    if (subscribed.has(at.exposed)) void at.feed.unsubscribe(at.own, new AbortController());
    uris.add(at.exposed);
    subscribed.add(at.exposed);
    this.#parts.sessions.changed(session, { change: 'watched', uri: at.exposed });
    return reply;
  }

  async #unsubscribe(call: Permitted, session: ClientSession): Promise<Reply | Fault> {
    const uri = stringParam(call.message.params, 'uri');
    const at = this.#at(call, session, uri);
    if (isFault(at)) return at;
    const { uris, subscribed } = session.work();
    if (!uris.delete(at.exposed)) return done;
    this.#parts.sessions.changed(session, { change: 'unwatched', uri: at.exposed });
    // Another replica subscribed to it, and takes it back now.
    if (!subscribed.delete(at.exposed)) return done;
    return at.feed.unsubscribe(at.own, call.abort);
  }

  #at(
    call: Pick<Permitted, 'snapshot' | 'principal' | 'door'>,
    session: ClientSession,
    uri: string | undefined,
  ): { readonly feed: Feed; readonly own: string; readonly exposed: string } | Fault {
    if (uri === undefined)
      return { fault: 'bad_params', detail: 'params.uri is missing: the URI of a resource, a string.' };
    const { door, snapshot, principal } = call;
    const found =
      door.door === 'server'
        ? serverAt(findServer(snapshot, principal.tenantId, door.name), uri)
        : uriOwner(call, door, uri);
    if ('fault' in found) return found;
    const feed = this.#parts.ears.at(session, found.server);
    return isFault(feed) ? feed : { feed, own: found.own, exposed: uri };
  }
}

function serverAt(server: Server | Fault, own: string) {
  return 'fault' in server ? server : { server, own };
}
