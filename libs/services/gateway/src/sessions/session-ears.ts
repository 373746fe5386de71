/** What servers say to one legacy session outside of its calls: updates of resources, messages, questions. */

import {
  exposeNotifiedUri,
  isJsonProblem,
  stringAt,
  wholeObject,
  type Fault,
  type Instance,
  type Server,
} from '@cruvero/core';
import type { Feed } from '@cruvero/upstream';
import { LegacyCaller, type AskingParts } from '../callers/legacy-caller.ts';
import type { Links } from '../links.ts';
import { termsOfSession } from '../terms.ts';
import type { ClientSession } from './client-session.ts';

export interface EarParts extends AskingParts {
  readonly links: Links;
}

const nothing = { lists: new Set<never>(), uris: [], taskIds: [] };

export class SessionEars {
  readonly #parts: EarParts;

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
    const asker = new LegacyCaller(session, onStream(session), undefined, this.#parts);
    const feed = this.#parts.links.of(server, instance).listen(termsOfSession(session), nothing, {
      onNotification: (text) => deliver(session, server, text),
      onRequest: (question, signal) => asker.ask(question, signal),
      onState: () => undefined,
      onGap: () => tellUpdated(session, server),
    });
    feeds.set(server.name, feed);
    return feed;
  }
}

const onStream = (session: ClientSession) => ({
  notify: (text: string) => void session.stream?.send(text),
  ask: (text: string) => session.stream?.send(text) ?? false,
});

export function instanceFor(server: Server, instanceId: string | undefined): Instance | undefined {
  const known = server.instances.find((i) => i.instanceId === instanceId);
  return known ?? server.instances.find((i) => i.health !== 'expired');
}

/** Changes of lists come from the catalog, for every server alike. */
function deliver(session: ClientSession, server: Server, text: string): void {
  const members = wholeObject(text);
  const method = isJsonProblem(members) ? undefined : stringAt(text, members.get('method'));
  if (method === undefined || method.endsWith('/list_changed')) return;
  session.stream?.send(session.facts.door.door === 'server' ? text : exposeNotifiedUri(server.name, text));
}

/** Something may have been missed: every resource that was subscribed to may have changed. */
function tellUpdated(session: ClientSession, server: Server): void {
  const own = session.facts.door.door === 'server' ? '' : `mcp://${server.name}/`;
  for (const uri of session.workIfAny()?.uris ?? []) {
    if (uri.startsWith(own)) session.stream?.send(updatedText(uri));
  }
}

export function updatedText(uri: string): string {
  return `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":${JSON.stringify(uri)}}}`;
}
