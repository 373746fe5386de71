/** Requests by which a child holds something for a session, where it holds it for many sessions at once. */

import {
  changeMembers,
  isFault,
  logLevels,
  readMessage,
  stringParam,
  type RequestMessage,
} from '@cruvero/core';
import { json, refusal } from './answers.ts';
import { ask, type Asking, type Exchanged, type ExchangeParts } from './asking.ts';
import type { Instance } from './instance.ts';
import type { OwnChild } from './own-child.ts';
import type { BridgeSession } from './sessions.ts';

type Together = Asking & { readonly session: BridgeSession<OwnChild> };

const heldTogether: ReadonlySet<string> = new Set([
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);

export function isHeldTogether(method: string): boolean {
  return heldTogether.has(method);
}

/** Asks the child only for what it does not hold yet, or need hold no longer. Never rejects. */
export async function askTogether(
  instance: Instance,
  asking: Together,
  parts: ExchangeParts,
): Promise<Exchanged> {
  if (asking.message.method === 'logging/setLevel') return setLevel(instance, asking, parts);
  const uri = stringParam(asking.message.params, 'uri');
  // What is wrong with it is for the child to say.
  if (uri === undefined) return ask(asking, parts);
  return asking.message.method === 'resources/subscribe'
    ? subscribe(instance, asking, uri, parts)
    : unsubscribe(instance, asking, uri, parts);
}

const done = ({ idText }: RequestMessage): Exchanged => json(`{"jsonrpc":"2.0","id":${idText},"result":{}}`);

async function setLevel(instance: Instance, asking: Together, parts: ExchangeParts): Promise<Exchanged> {
  const { message, session } = asking;
  const { levels } = instance;
  const level = stringParam(message.params, 'level') ?? '';
  if (!logLevels.includes(level)) {
    const detail = `"level" is one of ${logLevels.join(', ')}.`;
    return refusal({ fault: 'bad_params', detail }, message.idText);
  }
  const before = levels.levelOf(session.id);
  const toTell = levels.want(session.id, level);
  if (toTell === undefined) return done(message);
  const onOver = (outcome: string): void => {
    if (outcome === 'ok') return;
    const again = levels.refused(session.id, before);
    if (again !== undefined) instance.tellChild('logging/setLevel', { level: again });
  };
  return ask({ ...asking, message: withLevel(message, toTell), onOver }, parts);
}

function withLevel(message: RequestMessage, level: string): RequestMessage {
  const params = changeMembers(message.params.text, { level: JSON.stringify(level) });
  const changed = readMessage(changeMembers(message.text.trim(), { params }));
  if (isFault(changed) || changed.kind !== 'request')
    throw new Error('a request with another level is a request');
  return changed;
}

async function subscribe(
  instance: Instance,
  asking: Together,
  uri: string,
  parts: ExchangeParts,
): Promise<Exchanged> {
  const { message, session } = asking;
  const { subscriptions } = instance;
  switch (subscriptions.subscribe(session.id, uri)) {
    case 'held':
      return done(message);
    case 'too_many': {
      const detail = `A session may subscribe to ${parts.bounds.subscriptionsMax} resources.`;
      return refusal({ fault: 'overloaded', detail, retryAfterMs: 1_000 }, message.idText);
    }
    case 'ask':
      break;
  }
  const onOver = (outcome: string): void => {
    if (outcome === 'ok') return subscriptions.confirm(uri);
    const isLast = subscriptions.drop(session.id, uri);
    // Nobody knows what the child has made of it.
    if (isLast && outcome !== 'error') instance.tellChild('resources/unsubscribe', { uri });
  };
  return ask({ ...asking, onOver }, parts);
}

async function unsubscribe(
  instance: Instance,
  asking: Together,
  uri: string,
  parts: ExchangeParts,
): Promise<Exchanged> {
  const isLast = instance.subscriptions.drop(asking.session.id, uri);
  return isLast ? ask(asking, parts) : done(asking.message);
}
