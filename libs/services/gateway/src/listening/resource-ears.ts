/** What modern listeners hear of resources and tasks: one ear at each server that has any of them. */

import {
  exposeNotifiedUri,
  honoured,
  isFault,
  mapNotifiedTaskId,
  serverKey,
  type Instance,
  type ListenFilter,
  type Server,
} from '@cruvero/core';
import type { Feed } from '@cruvero/upstream';
import type { Listener } from './listener.ts';
import type { Links } from '../links.ts';
import { findServer, uriOwner } from '../route.ts';
import { covers, instanceFor, subjectOf, updatedText } from '../sessions/session-ears.ts';
import { ownerKey } from '../sessions/sessions.ts';
import type { TaskIds } from '../task-ids.ts';
import { plainTerms } from '../terms.ts';

export interface ResourceEarParts {
  readonly links: Links;
  readonly taskIds: TaskIds;
}

export interface OpenEars {
  /** Params of the acknowledgement: the part of the filter that is served. */
  readonly honoured: string;
  close(): void;
}

/** What one listener wants of one instance. */
interface Wanted {
  readonly server: Server;
  readonly instance: Instance;
  readonly uris: { readonly own: string; readonly exposed: string }[];
  readonly tasks: { readonly own: string; readonly exposed: string }[];
}

export class ResourceEars {
  readonly #parts: ResourceEarParts;

  constructor(parts: ResourceEarParts) {
    this.#parts = parts;
  }

  /** Resolves when it is known which of the resources their servers will tell of. `onOver`: an instance is gone that was to tell. */
  async open(
    listener: Listener,
    filter: ListenFilter,
    tell: (text: string) => void,
    onOver: () => void,
  ): Promise<OpenEars> {
    const abort = new AbortController();
    const feeds: Feed[] = [];
    const heard = await Promise.all(
      this.#wanted(listener, filter).map(async (wanted) => {
        const feed = this.#listen(listener, wanted, tell, onOver);
        feeds.push(feed);
        const replies = await Promise.all(wanted.uris.map(({ own }) => feed.subscribe(own, abort)));
        return {
          uris: wanted.uris.filter((_uri, at) => isHonoured(replies[at])).map(({ exposed }) => exposed),
          tasks: wanted.tasks.map(({ exposed }) => exposed),
        };
      }),
    );
    const served = {
      lists: filter.lists,
      uris: inOrder(
        filter.uris,
        heard.flatMap(({ uris }) => uris),
      ),
      taskIds: inOrder(
        filter.taskIds,
        heard.flatMap(({ tasks }) => tasks),
      ),
    };
    return { honoured: honoured(served), close: () => feeds.forEach((feed) => feed.close()) };
  }

  #wanted(listener: Listener, filter: ListenFilter): readonly Wanted[] {
    const byInstance = new Map<string, Wanted>();
    const of = (server: Server, instanceId?: string): Wanted | undefined => {
      const instance = instanceFor(server, instanceId);
      if (!instance) return undefined;
      const key = `${server.name}/${instance.instanceId}`;
      let wanted = byInstance.get(key);
      if (!wanted) byInstance.set(key, (wanted = { server, instance, uris: [], tasks: [] }));
      return wanted;
    };
    for (const exposed of new Set(filter.uris)) {
      const found = resourceAt(listener, exposed);
      if (found) of(found.server)?.uris.push({ own: found.own, exposed });
    }
    for (const exposed of new Set(filter.taskIds)) {
      const task = this.#parts.taskIds.open(listener.principal, exposed);
      const server =
        task && listener.snapshot.servers.get(serverKey(listener.principal.tenantId, task.server));
      if (task && server) of(server, task.instanceId)?.tasks.push({ own: task.own, exposed });
    }
    return [...byInstance.values()];
  }

  #listen(
    listener: Listener,
    { server, instance, uris, tasks }: Wanted,
    tell: (text: string) => void,
    onOver: () => void,
  ): Feed {
    const filter = { lists: new Set<never>(), uris: [], taskIds: tasks.map(({ own }) => own) };
    const expose = listener.door.door !== 'server';
    const terms = plainTerms(ownerKey(listener.principal));
    const place = { server: server.name, instanceId: instance.instanceId };
    const events = {
      onNotification: (text: string): void => {
        const said = subjectOf(text);
        if (
          said.method === 'notifications/resources/updated' &&
          uris.some(({ own }) => covers(own, said.uri))
        ) {
          tell(expose ? exposeNotifiedUri(server.name, text) : text);
        } else if (said.method === 'notifications/tasks' && tasks.some(({ own }) => own === said.taskId)) {
          tell(
            mapNotifiedTaskId(text, (own) =>
              this.#parts.taskIds.expose(listener.principal, { ...place, own }),
            ),
          );
        }
      },
      onState: () => undefined,
      onGap: () => uris.forEach(({ exposed }) => tell(updatedText(exposed))),
      onOver,
    };
    return this.#parts.links
      .of(server, instance)
      .listen(terms, filter, events, tasks.length > 0 ? withTasks : {});
  }
}

const withTasks = { capabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } } };

function resourceAt({ door, snapshot, principal }: Listener, exposed: string) {
  if (door.door !== 'server') {
    const found = uriOwner({ snapshot, principal }, door, exposed);
    return 'fault' in found ? undefined : found;
  }
  const server = findServer(snapshot, principal.tenantId, door.name);
  return isFault(server) ? undefined : { server, own: exposed };
}

const isHonoured = (reply: Awaited<ReturnType<Feed['subscribe']>> | undefined): boolean =>
  reply !== undefined && !isFault(reply) && reply.kind === 'result';

function inOrder(asked: readonly string[], served: readonly string[]): readonly string[] {
  const set = new Set(served);
  return asked.filter((one) => set.has(one));
}
