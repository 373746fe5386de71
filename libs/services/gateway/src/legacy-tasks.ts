/**
 * The experimental tasks of 2025-11-25 at a legacy server's own door. To the server this gateway is one client, so whose a task
 * is has to be known here: its id is sealed for the principal who had it made, and a list shows nobody the tasks of others.
 */

import { createHash } from 'node:crypto';
import {
  canAnswer,
  isLegacyTaskMethod,
  keepTasks,
  listedTaskIds,
  mapLegacyNotified,
  mapLegacyTaskIds,
  mapRelatedTask,
  notifiedTaskIds,
  serverKey,
  taskIdOf,
  type Fault,
  type Instance,
  type Principal,
  type Question,
  type Reply,
  type Server,
} from '@cruvero/core';
import type { Cache } from '@cruvero/ports';
import type { Permitted, Routed } from './pipeline.ts';
import type { ClientSession } from './sessions/client-session.ts';
import type { TaskIds, TaskPlace } from './task-ids.ts';

/** Who may have a task, and where it is, but for its id. */
export interface TaskRoom {
  readonly principal: Principal;
  readonly place: Omit<TaskPlace, 'own'>;
}

/** How long other replicas know of a task that was made here. */
const rememberedMs = 7 * 86_400_000;

export class LegacyTasks {
  readonly #ids: TaskIds;
  readonly #shared: Cache | undefined;

  /** Without a shared store each replica knows, for lists and notifications, the tasks that it has seen itself. */
  constructor(ids: TaskIds, shared: Cache | undefined) {
    this.#ids = ids;
    this.#shared = shared;
  }

  /** The task that the request names; a fault for any that is not the caller's own at this door. */
  named(call: Permitted): TaskPlace | Fault {
    const sealed = taskIdOf(call.message.params);
    if (sealed === undefined)
      return {
        fault: 'bad_params',
        detail: 'params.taskId is missing: the id that the task was given, a string.',
      };
    const task = this.#ids.open(call.principal, sealed);
    const server = task && call.snapshot.servers.get(serverKey(call.principal.tenantId, task.server));
    const here = call.door.door === 'server' && call.door.name === task?.server;
    return server && here && task.room === roomAt(call.principal, call.session, server, task).place.room
      ? task
      : { fault: 'bad_params', detail: 'params.taskId is the id of no task of yours here.' };
  }

  /** The reply as its caller may see it. */
  async outward(call: Routed, instance: Instance, reply: Reply): Promise<Reply | Fault> {
    const { method, params } = call.message;
    if (reply.kind === 'error' || !(isLegacyTaskMethod(method) || params.members.has('task'))) return reply;
    const room = roomAt(call.principal, call.session, call.server, instance);
    const text = method === 'tasks/list' ? await this.#ownOf(room, reply.text) : reply.text;
    if (text === undefined)
      return {
        fault: 'upstream_broken',
        server: call.server.name,
        detail: 'its list of tasks cannot be read',
      };
    const made = method !== 'tasks/list';
    return { kind: 'result', text: mapLegacyTaskIds(method, text, (own) => this.#expose(room, own, made)) };
  }

  /** Hands the notification on with its task's id as the caller knows it; one about a task of somebody else goes nowhere. */
  notified(room: TaskRoom, text: string, tell: (text: string) => void): void {
    const tasks = notifiedTaskIds(text);
    if (tasks.length === 0) return tell(text);
    const expose = (): void => tell(mapLegacyNotified(text, (own) => this.#expose(room, own, false)));
    // Those that are known at once keep their place among the other messages.
    if (tasks.every((own) => this.#knows(room, own))) return expose();
    void Promise.all(tasks.map((own) => this.#owns(room, own))).then((owned) => {
      if (owned.every(Boolean)) expose();
    });
  }

  /** A question with the task that it belongs to as the caller knows it, and the answer as the server does. */
  async asked(
    room: TaskRoom,
    question: Question,
    ask: (question: Question) => Promise<Reply>,
  ): Promise<Reply> {
    const expose = (own: string): string => this.#expose(room, own, true);
    const paramsText = mapRelatedTask(question.paramsText, expose);
    if (paramsText === question.paramsText) return ask(question);
    const reply = await ask({ ...question, paramsText });
    if (reply.kind === 'error') return reply;
    const own = (id: string): string => this.#ids.open(room.principal, id)?.own ?? id;
    return { kind: 'result', text: mapRelatedTask(reply.text, own) };
  }

  async #ownOf(room: TaskRoom, listText: string): Promise<string | undefined> {
    const listed = listedTaskIds(listText);
    const owned = await Promise.all(listed.map((own) => this.#owns(room, own)));
    const kept = new Set(listed.filter((_own, at) => owned[at]));
    return keepTasks(listText, (own) => kept.has(own));
  }

  #expose({ principal, place }: TaskRoom, own: string, made: boolean): string {
    const task = { ...place, own };
    if (made && !this.#ids.knows(principal, task))
      void this.#shared?.set(sharedKey(principal, task), '1', rememberedMs);
    return this.#ids.expose(principal, task);
  }

  #knows({ principal, place }: TaskRoom, own: string): boolean {
    return this.#ids.knows(principal, { ...place, own });
  }

  async #owns(room: TaskRoom, own: string): Promise<boolean> {
    if (this.#knows(room, own)) return true;
    const task = { ...room.place, own };
    return (await this.#shared?.get(sharedKey(room.principal, task))) !== undefined;
  }
}

/**
 * A session whose client can be asked may have a process of the server to itself, behind whatever transport: its tasks are its own,
 * whatever ids they have. All others of a principal share theirs.
 */
export function roomAt(
  principal: Principal,
  session: ClientSession | undefined,
  { name }: Pick<Server, 'name'>,
  { instanceId }: Pick<TaskPlace, 'instanceId'>,
): TaskRoom {
  const alone = session && canAnswer(session.facts.clientCapabilities);
  return { principal, place: { server: name, instanceId, ...(alone ? { room: session.uid } : {}) } };
}

/** Says nothing to whoever reads the store. */
function sharedKey({ tenantId, name }: Principal, { server, instanceId, own, room }: TaskPlace): string {
  const text = JSON.stringify([tenantId, name, server, instanceId, own, room ?? '']);
  return `task/${createHash('sha256').update(text).digest('base64url')}`;
}
