/** The two ways in which a client listens: the legacy session's own GET stream, and modern subscriptions/listen. */

import type { ServerResponse } from 'node:http';
import {
  notificationText,
  paramText,
  parseJsonObject,
  type Fault,
  type Principal,
  type RequestMessage,
} from '@cruvero/core';
import type { Door } from '../pipeline.ts';
import type { ListChange, Push } from '../push.ts';
import type { ClientSession } from '../sessions.ts';
import { resultMessage } from './respond.ts';
import type { Streams } from './streams.ts';

export interface ListeningParts {
  readonly push: Push;
  readonly streams: Streams;
}

const allChanges: ReadonlySet<ListChange> = new Set(['tools', 'resources', 'prompts']);
const noRoom: Fault = {
  fault: 'overloaded',
  detail: 'Too many event streams are open here; try again later.',
  retryAfterMs: 5_000,
};

/** GET on a legacy session: one stream a session; a new one takes the place of the old. */
export function openSessionStream(
  response: ServerResponse,
  session: ClientSession,
  parts: ListeningParts,
): Fault | undefined {
  if (parts.streams.full() && !session.closeStream) return noRoom;
  session.closeStream?.();
  const stream = parts.streams.open(
    response,
    () => {
      subscription.close();
      if (session.closeStream === end) session.closeStream = undefined;
    },
    (aged) => aged.end(),
  );
  const end = (): void => stream.end();
  session.closeStream = end;
  const subscription = parts.push.add({
    tenantId: session.principal.tenantId,
    door: session.door,
    wants: allChanges,
    tell: (change) => void stream.send(notificationText(`notifications/${change}/list_changed`, '{}')),
  });
  return undefined;
}

const filterNames: Readonly<Record<string, ListChange>> = {
  toolsListChanged: 'tools',
  resourcesListChanged: 'resources',
  promptsListChanged: 'prompts',
};

/** subscriptions/listen (MCP 2026-07-28, "Subscriptions"): acknowledged first, every message bears the subscription's id. */
export function openListen(
  response: ServerResponse,
  message: RequestMessage,
  principal: Principal,
  door: Door,
  parts: ListeningParts,
): Fault | undefined {
  const asked = parseJsonObject(paramText(message.params, 'notifications') ?? '');
  if (!asked)
    return {
      fault: 'bad_params',
      detail: 'params.notifications is missing: an object such as {"toolsListChanged": true}.',
    };
  if (parts.streams.full()) return noRoom;
  const honoured = Object.fromEntries(
    Object.keys(filterNames).flatMap((name) => (asked[name] === true ? [[name, true]] : [])),
  );
  const wants = new Set(Object.keys(honoured).flatMap((name) => filterNames[name] ?? []));
  const meta = `{"io.modelcontextprotocol/subscriptionId":${message.idText}}`;
  const done = resultMessage(message.idText, `{"resultType":"complete","_meta":${meta}}`);
  const stream = parts.streams.open(
    response,
    () => subscription.close(),
    (aged) => aged.end(done),
  );
  const tell = (method: string, members: string): void =>
    void stream.send(notificationText(method, `{"_meta":${meta}${members}}`));
  tell('notifications/subscriptions/acknowledged', `,"notifications":${JSON.stringify(honoured)}`);
  const subscription = parts.push.add({
    tenantId: principal.tenantId,
    door,
    wants,
    tell: (change) => tell(`notifications/${change}/list_changed`, ''),
  });
  return undefined;
}
