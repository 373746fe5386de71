/** A legacy session as the server knows it, and what it answers when it does not know it any more. */

import type { ServerFace } from '@cruvero/core';
import type { Answered } from './exchange.ts';

export interface Session {
  /** Absent where the server keeps none. */
  readonly id: string | undefined;
  readonly face: ServerFace;
}

export function sessionHeaders(session: Session): Record<string, string> {
  return {
    'mcp-protocol-version': session.face.version,
    ...(session.id === undefined ? {} : { 'mcp-session-id': session.id }),
  };
}

/** What the SDKs of the legacy era answer to a request outside of a session. */
export const legacyRefusal = -32000;

/**
 * A server answers 404 for a session that it does not know (MCP 2025-11-25, "Session Management"); many, the official
 * reference server among them, answer 400 with -32000 instead. Both come before the request is looked at.
 */
export function isGone(session: Session, { status, reply }: Answered): boolean {
  if (session.id === undefined) return false;
  return status === 404 || (status === 400 && reply?.kind === 'error' && reply.code === legacyRefusal);
}
