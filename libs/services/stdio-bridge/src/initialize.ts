/** Answers a caller's initialize from what the child said at its start: the child is initialised once, callers many times. */

import { changeMembers, isLegacyVersion, stringParam, type RequestMessage } from '@cruvero/core';
import type { Clock, UpstreamResponse } from '@cruvero/ports';
import { json, refusal } from './answers.ts';
import type { Instance, Live } from './instance.ts';

export function openSession(
  instance: Instance,
  live: Live,
  message: RequestMessage,
  clock: Clock,
): UpstreamResponse {
  const session = instance.sessions.open(clock.monotonicMs());
  if (!session) {
    const detail = 'All sessions of this server are in use; try again.';
    return refusal({ fault: 'overloaded', detail, retryAfterMs: 5_000 }, message.idText);
  }
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
