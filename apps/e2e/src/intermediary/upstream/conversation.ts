/** One peer of a server: a legacy session, a stdio pipe of either era, or a single modern request over HTTP. */

import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import { answer } from './answer.ts';
import type { Heard } from './hearing.ts';
import type { Ear, World } from './world.ts';

/** The way back to whoever made one request. */
export interface Back {
  /** A notification, or a request to the client. */
  send(text: string): void;
  /** The answer; nothing follows. */
  finish(text: string): void;
}

interface Running {
  readonly heard: Heard;
  readonly abort: AbortController;
}

const subscriptionKey = 'io.modelcontextprotocol/subscriptionId';

export class Conversation implements Ear {
  readonly #world: World;
  /** For what belongs to no request; undefined while nobody listens. */
  outlet: ((text: string) => void) | undefined;
  readonly #running = new Map<string, Running>();
  readonly #pending = new Map<string, (reply: Json) => void>();
  readonly #subscribed = new Set<string>();
  #logLevel: string | undefined;
  #asked = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Takes one message. */
  take(text: string, headers: Heard['headers'], back: Back): void {
    const message = JSON.parse(text) as JsonObject;
    const { world } = { world: this.#world };
    const heard: Heard = { server: world.kind, headers, text, message, end: 'running' };
    const { id, method, params } = message;
    if (typeof method !== 'string') {
      world.hearing.add(heard);
      return this.#pending.get(JSON.stringify(id))?.(message['result'] ?? message['error'] ?? null);
    }
    world.hearing.add(heard);
    if (id === undefined) return this.#heed(method, isJsonObject(params) ? params : {});
    void this.#answer(heard, method, isJsonObject(params) ? params : {}, back);
  }

  /** The connection of a request was closed from the other side. */
  gone(idText: string): void {
    this.#end(idText, 'gone');
  }

  close(): void {
    for (const idText of [...this.#running.keys()]) this.#end(idText, 'gone');
    this.#world.ears.delete(this);
  }

  wantsList(): boolean {
    return true;
  }

  wantsResource(uri: string): boolean {
    return this.#subscribed.has(uri);
  }

  wantsTask(): boolean {
    return false;
  }

  tell(method: string, params: JsonObject): void {
    this.outlet?.(notification(method, params));
  }

  #heed(method: string, { requestId }: JsonObject): void {
    if (method === 'notifications/cancelled') this.#end(JSON.stringify(requestId), 'cancelled');
  }

  #end(idText: string, end: Heard['end']): void {
    const running = this.#running.get(idText);
    if (!running) return;
    this.#running.delete(idText);
    this.#world.hearing.ended(running.heard, end);
    running.abort.abort();
  }

  async #answer(heard: Heard, method: string, params: JsonObject, back: Back): Promise<void> {
    const idText = JSON.stringify(heard.message['id']);
    const abort = new AbortController();
    this.#running.set(idText, { heard, abort });
    if (method === 'subscriptions/listen' && this.#world.era === 'modern')
      return this.#listen(heard.message['id'] ?? null, params, back, abort.signal);
    this.#remember(method, params);
    const outcome = await answer(this.#world, method, heard.text, {
      signal: abort.signal,
      logLevel: this.#levelFor(params),
      notify: (name, told) => back.send(notification(name, told)),
      ask: (name, asked) => this.#ask(name, asked, back),
    });
    if (abort.signal.aborted) return;
    this.#running.delete(idText);
    const rest =
      'result' in outcome ? `"result":${outcome.result}` : `"error":${JSON.stringify(outcome.error)}`;
    back.finish(`{"jsonrpc":"2.0","id":${idText},${rest}}`);
    this.#world.hearing.ended(heard, 'answered');
  }

  #levelFor({ _meta: meta }: JsonObject): string | undefined {
    if (this.#world.era === 'legacy') return this.#logLevel ?? 'debug';
    const level = isJsonObject(meta) ? meta['io.modelcontextprotocol/logLevel'] : undefined;
    return typeof level === 'string' ? level : undefined;
  }

  #remember(method: string, { uri, level }: JsonObject): void {
    if (this.#world.era !== 'legacy') return;
    if (method === 'initialize') this.#world.ears.add(this);
    if (method === 'logging/setLevel') this.#logLevel = String(level);
    if (method === 'resources/subscribe') this.#subscribed.add(String(uri));
    if (method === 'resources/unsubscribe') this.#subscribed.delete(String(uri));
  }

  /** A request to the client, on the way that its own request came. */
  #ask(method: string, params: JsonObject, back: Back): Promise<Json> {
    // Ids of a server's own; they may well be those that the client uses.
    const id = (this.#asked += 1);
    const { promise, resolve } = Promise.withResolvers<Json>();
    this.#pending.set(JSON.stringify(id), (reply) => {
      this.#pending.delete(JSON.stringify(id));
      resolve(reply);
    });
    back.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    return promise;
  }

  /** Stays open until the other side ends it. */
  #listen(id: Json, params: JsonObject, back: Back, signal: AbortSignal): void {
    const wanted = isJsonObject(params['notifications']) ? params['notifications'] : {};
    const names = (key: string): readonly Json[] =>
      Array.isArray(wanted[key]) ? (wanted[key] as readonly Json[]) : [];
    const send = (method: string, told: JsonObject): void =>
      back.send(notification(method, { ...told, _meta: { [subscriptionKey]: id } }));
    const ear: Ear = {
      wantsList: (list) => wanted[`${list}ListChanged`] === true,
      wantsResource: (uri) => names('resourceSubscriptions').includes(uri),
      wantsTask: (taskId) => names('taskIds').includes(taskId),
      tell: send,
    };
    send('notifications/subscriptions/acknowledged', { notifications: wanted });
    this.#world.ears.add(ear);
    signal.addEventListener('abort', () => this.#world.ears.delete(ear), { once: true });
  }
}

const notification = (method: string, params: JsonObject): string =>
  JSON.stringify({ jsonrpc: '2.0', method, params });
