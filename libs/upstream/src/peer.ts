/** Whom a link speaks to, and with which bounds. */

import type { Instance, JsonObject, ServerName } from '@cruvero/core';
import type { Clock, Random, Upstreams } from '@cruvero/ports';

export interface Peer {
  readonly server: ServerName;
  readonly instance: Pick<Instance, 'instanceId' | 'transport' | 'endpoint'>;
}

export interface LinkBounds {
  /** For one request, or between two events of a stream. */
  readonly timeoutMs: number;
  /** For one answer. */
  readonly answerBytesMax: number;
  /** Legacy sessions held to one instance; the one idle longest goes first. */
  readonly sessionsMax: number;
  /** A session that nobody used for so long is ended. */
  readonly sessionIdleMs: number;
  /** An instance's era is asked again after so long. */
  readonly faceAgeMs: number;
  /** Pages followed in one listing. */
  readonly pagesMax: number;
}

export const defaultBounds: LinkBounds = {
  timeoutMs: 30_000,
  answerBytesMax: 32 << 20,
  sessionsMax: 256,
  sessionIdleMs: 600_000,
  faceAgeMs: 3_600_000,
  pagesMax: 1_000,
};

export interface LinkPorts {
  readonly upstreams: Upstreams;
  readonly clock: Clock;
  readonly random: Random;
  /** How this process names itself to servers. */
  readonly clientInfo: JsonObject;
  /** Where replicas tell one another of sessions that they share; absent: each opens its own. */
  readonly memory?: SessionMemory;
}

/**
 * Keeps short texts for a while, for all replicas. Never rejects; what is lost is opened anew. Keys name addresses, and values hold
 * ids of sessions, which open them: neither is to be read by others.
 */
export interface SessionMemory {
  recall(key: string): Promise<string | undefined>;
  remember(key: string, value: string): void;
  forget(key: string): void;
}
