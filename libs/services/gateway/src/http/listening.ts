/** The two ways in which a client listens: the legacy session's own GET stream, and modern subscriptions/listen. */

import type { ServerResponse } from 'node:http';
import {
  isFault,
  notificationText,
  readListenFilter,
  stampSubscription,
  type Fault,
  type RequestMessage,
} from '@cruvero/core';
import type { Listener } from '../listening/listener.ts';
import type { ResourceEars } from '../listening/resource-ears.ts';
import type { ListChange, Push } from '../push.ts';
import { findServer } from '../route.ts';
import type { ClientSession, SessionStream } from '../sessions/client-session.ts';
import type { EventLog } from '../sessions/event-log.ts';
import { updatedText, type SessionEars } from '../sessions/session-ears.ts';
import type { SessionMethods } from '../sessions/session-methods.ts';
import { resultMessage } from './respond.ts';
import type { OpenStream, Streams } from './streams.ts';

export interface ListeningParts {
  readonly push: Push;
  readonly streams: Streams;
  readonly ears: SessionEars;
  readonly resourceEars: ResourceEars;
  readonly sessionMethods: SessionMethods;
}

const allChanges: readonly ListChange[] = ['tools', 'resources', 'prompts'];
export const noRoom: Fault = {
  fault: 'overloaded',
  detail: 'Too many event streams are open here; try again later.',
  retryAfterMs: 5_000,
};

/**
 * GET on a legacy session: one stream a session; a new one takes the place of the old. A client that comes back for a call's
 * answer gets that stream instead.
 */
export function openSessionStream(
  response: ServerResponse,
  listener: Listener,
  session: ClientSession,
  lastEventId: string | undefined,
  events: EventLog,
  parts: ListeningParts,
): Fault | undefined {
  const found = lastEventId === undefined ? undefined : events.find(lastEventId);
  if (parts.streams.full() && !session.stream) return noRoom;
  const terms = { isAdmitted: listener.isAdmitted };
  if (found?.stream.of === 'call') {
    parts.streams.open(
      response,
      () => undefined,
      (aged) => aged.end(),
      terms,
    );
    found.stream.resume(response, found.afterSeq);
    return undefined;
  }
  session.stream?.end();
  const stream = parts.streams.open(response, onClose, (aged) => aged.end(), terms);
  const logged = events.open(response, 'session');
  const own = {
    send: (text: string) => !response.destroyed && !response.writableEnded && (logged.write(text), true),
    end: () => {
      stream.end();
      logged.end();
    },
  };
  function onClose(): void {
    subscription.close();
    logged.end();
    if (session.stream === own) session.stream = undefined;
  }
  session.stream = own;
  if (lastEventId !== undefined) catchUp(session, found?.stream.after(found.afterSeq) ?? []);
  const subscription = attend(listener, session, own, parts);
  return undefined;
}

/** Has the session's stream told of changed lists, and of what the servers behind its door say outside of calls. */
export function attend(
  listener: Listener,
  session: ClientSession,
  stream: SessionStream,
  parts: ListeningParts,
): { close(): void } {
  const subscription = parts.push.add({
    tenantId: session.facts.principal.tenantId,
    door: session.facts.door,
    wants: new Set(allChanges),
    tell: (change) => void stream.send(changedText(change)),
  });
  hear(listener, session, parts);
  return subscription;
}

const changedText = (change: ListChange): string =>
  notificationText(`notifications/${change}/list_changed`, '{}');

/** What it missed, and, since nobody knows what else it missed while it was away, that anything may have changed. */
function catchUp(session: ClientSession, missed: readonly string[]): void {
  for (const text of missed) session.stream?.send(text);
  for (const change of allChanges) session.stream?.send(changedText(change));
  for (const uri of session.workIfAny()?.uris ?? []) session.stream?.send(updatedText(uri));
}

/** What the servers behind the door say outside of calls: at a server's own door all of it, otherwise what was subscribed to. */
function hear({ door, snapshot, principal }: Listener, session: ClientSession, parts: ListeningParts): void {
  parts.sessionMethods.restore({ door, snapshot, principal }, session);
  if (door.door !== 'server') return;
  const server = findServer(snapshot, principal.tenantId, door.name);
  if (!isFault(server)) parts.ears.at(session, server);
}

/** subscriptions/listen (MCP 2026-07-28, "Subscriptions"): acknowledged first, every message bears the subscription's id. */
export async function openListen(
  response: ServerResponse,
  message: RequestMessage,
  listener: Listener,
  parts: ListeningParts,
): Promise<Fault | undefined> {
  const asked = readListenFilter(message.params);
  if ('problem' in asked) return { fault: 'bad_params', detail: `${asked.problem}.` };
  if (parts.streams.full()) return noRoom;
  const { idText } = message;
  const done = resultMessage(
    idText,
    `{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":${idText}}}`,
  );
  const closers: (() => void)[] = [];
  const stream: OpenStream = parts.streams.open(
    response,
    () => closers.splice(0).forEach((close) => close()),
    (aged) => aged.end(done),
    { isAdmitted: listener.isAdmitted },
  );
  const send = (text: string): void => void stream.send(stampSubscription(text, idText));
  const held: string[] = [];
  const gate = { send: (text: string): void => void held.push(text) };
  const ears = await parts.resourceEars.open(
    listener,
    asked,
    (text) => gate.send(text),
    // The instance that was to tell of them is gone: its client subscribes anew, and is served by another one.
    () => stream.end(done),
  );
  closers.push(() => ears.close());
  // The acknowledgement is the first message, whatever came meanwhile.
  send(notificationText('notifications/subscriptions/acknowledged', ears.honoured));
  gate.send = send;
  for (const text of held) send(text);
  const subscription = parts.push.add({
    tenantId: listener.principal.tenantId,
    door: listener.door,
    wants: asked.lists,
    tell: (change) => send(changedText(change)),
  });
  closers.push(() => subscription.close());
  if (response.destroyed) closers.splice(0).forEach((close) => close());
  return undefined;
}
