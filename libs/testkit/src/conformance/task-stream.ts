/** Status notifications of tasks: a `subscriptions/listen` stream for task ids, which the SDK does not know. */

import type { ServerResponse } from 'node:http';
import { isJsonObject, type Json, type JsonObject } from '@cruvero/core';
import { tasksExtension } from './answering.ts';
import type { TaskStore } from './task-store.ts';

const subscriptionIdKey = 'io.modelcontextprotocol/subscriptionId';
const clientCapabilitiesKey = 'io.modelcontextprotocol/clientCapabilities';

export interface TaskSubscription {
  readonly id: Json;
  readonly taskIds: readonly string[];
}

/** Undefined for any other request, and for a client that did not declare the extension. */
export function taskSubscription(body: unknown): TaskSubscription | undefined {
  if (!isJsonObject(body) || body['method'] !== 'subscriptions/listen') return undefined;
  const params = object(body['params']);
  const declared = object(object(params['_meta'])[clientCapabilitiesKey]);
  const { taskIds } = object(params['notifications']);
  if (!Array.isArray(taskIds) || object(declared['extensions'])[tasksExtension] === undefined)
    return undefined;
  return { id: body['id'] ?? null, taskIds: taskIds.filter((id) => typeof id === 'string') };
}

/** Tells of these tasks, and of nothing else that the filter may name, until the client goes. */
export function serveTaskStream(
  tasks: TaskStore,
  { id, taskIds }: TaskSubscription,
  response: ServerResponse,
): void {
  const send = (method: string, params: JsonObject): void => {
    const stamped = { ...params, _meta: { [subscriptionIdKey]: id } };
    response.write(
      `event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', method, params: stamped })}\n\n`,
    );
  };
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  send('notifications/subscriptions/acknowledged', { notifications: { taskIds } });
  const stop = tasks.onChange((task) => {
    if (taskIds.includes(String(task['taskId']))) send('notifications/tasks', task);
  });
  response.once('close', stop);
}

const object = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});
