/**
 * Answers a caller's initialize: from what the child said at its start, for that is initialised once and callers many times;
 * or, where the caller can be asked something, by a child of its own, or not at all.
 */

import { changeMembers, isLegacyVersion, paramText, stringParam, type RequestMessage } from '@cruvero/core';
import type { UpstreamRequest, UpstreamResponse } from '@cruvero/ports';
import { json, refusal } from './answers.ts';
import type { Exchanged, ExchangeParts } from './asking.ts';
import type { Instance, Live } from './instance.ts';
import { letsServerAsk, type OwnChild } from './own-child.ts';
import type { BridgeSession } from './sessions.ts';

type Session = BridgeSession<OwnChild>;

/** Never rejects. */
export async function openSession(
  instance: Instance,
  live: Live,
  message: RequestMessage,
  request: UpstreamRequest,
  parts: ExchangeParts,
): Promise<Exchanged> {
  const session = instance.sessions.open(parts.clock.monotonicMs());
  if (!session) {
    const detail = 'All sessions of this server are in use; try again.';
    return refusal({ fault: 'overloaded', detail, retryAfterMs: 5_000 }, message.idText);
  }
  if (letsServerAsk(paramText(message.params, 'capabilities'))) {
    const own = await instance.ownChildren.start(session);
    if (own) return welcomeByOwn(instance, session, own, message, request, parts);
    if (instance.sessions.get(session.id) !== session) return unreachable('the session was ended');
    if (parts.bounds.ownChildrenMax > 0) return noChild(instance, session, message);
  }
  return welcome(session, live, message);
}

function welcome(session: Session, live: Live, message: RequestMessage): UpstreamResponse {
  const result = changeMembers(live.face.resultText, {
    protocolVersion: JSON.stringify(
      agreed(stringParam(message.params, 'protocolVersion'), live.face.version),
    ),
  });
  const text = `{"jsonrpc":"2.0","id":${message.idText},"result":${result}}`;
  return json(text, 200, { 'mcp-session-id': session.id });
}

/** An older version than the child's is granted: what the child sends is a superset of it. */
function agreed(asked: string | undefined, childs: string): string {
  return asked !== undefined && isLegacyVersion(asked) && asked < childs ? asked : childs;
}

/** By the child that all use its server would be told that nobody can be asked, which is not so. */
function noChild(instance: Instance, session: Session, message: RequestMessage): UpstreamResponse {
  instance.sessions.end(session.id);
  const detail =
    'All processes of this server for clients that can be asked are in use (CRUVERO_STDIO_BRIDGE_OWN_CHILDREN_MAX); try again.';
  return refusal({ fault: 'overloaded', detail, retryAfterMs: 5_000 }, message.idText);
}

/** The child answers for itself. Without a welcome there is no session. */
async function welcomeByOwn(
  instance: Instance,
  session: Session,
  own: OwnChild,
  message: RequestMessage,
  { timeoutMs, signal }: UpstreamRequest,
  { bounds }: ExchangeParts,
): Promise<Exchanged> {
  const greeting = await own.greet(message, Math.min(timeoutMs, bounds.initializeTimeoutMs), signal);
  if (greeting.kind === 'welcome' && !signal.aborted)
    return json(greeting.text, 200, { 'mcp-session-id': session.id });
  instance.sessions.end(session.id);
  if (signal.aborted) return { fault: 'aborted', detail: 'the caller went away', neverLeft: true };
  if (greeting.kind === 'error') return json(greeting.text);
  return unreachable(greeting.kind === 'silent' ? greeting.detail : 'the session was ended');
}

/** To greet a child does nothing that may not be done twice. */
function unreachable(detail: string): Exchanged {
  return { fault: 'unreachable', detail, neverLeft: true };
}
