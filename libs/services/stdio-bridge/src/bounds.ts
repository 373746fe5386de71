/** Every bound of the bridge, with its default. */

import { defaultSupervision, type SupervisionPolicy } from './supervision.ts';

export interface BridgeBounds {
  /** Requests that one child has not answered yet. */
  readonly pendingMax: number;
  /** One line of a child's stdout; a longer one ends it. */
  readonly lineBytesMax: number;
  /** For an answer to the question which era the child speaks; silence means legacy. */
  readonly probeTimeoutMs: number;
  /** For initialize: a first start may download the server. */
  readonly initializeTimeoutMs: number;
  /** For one page of tools/list. */
  readonly listTimeoutMs: number;
  readonly pagesMax: number;
  /** How long a request waits for a child that is being started again. */
  readonly respawnWaitMs: number;
  /** Requests that wait so, for one instance. */
  readonly respawnWaitersMax: number;
  /** For one instance. */
  readonly sessionsMax: number;
  readonly sessionIdleMs: number;
  /**
   * Children of one instance that each serve a single session, because its client can be asked something. 0: none, so nobody
   * is asked.
   */
  readonly ownChildrenMax: number;
  /** Questions of one own child that its client has not answered. */
  readonly questionsMax: number;
  /** How long a question waits until its client opens a stream. */
  readonly questionWaitMs: number;
  /** Resource URIs of one session that uses a child together with others. */
  readonly subscriptionsMax: number;
  /** Open GET streams of one session. */
  readonly streamsMax: number;
  /** What a reader may leave unread of one stream before notifications are dropped. */
  readonly streamCharsMax: number;
  /** A stream over HTTP is ended after so long, whoever still reads it; clients open another. */
  readonly streamAgeMs: number;
  /** How long an instance that was replaced goes on taking calls after it was deregistered. */
  readonly handoverMs: number;
  /** How long calls may go on when an instance is taken away. */
  readonly drainMs: number;
  readonly stopGraceMs: number;
  readonly deregisterMs: number;
  /** stderr and stray stdout lines of one child. */
  readonly logLinesPerSecondMax: number;
  readonly supervision: SupervisionPolicy;
}

export const defaultBridgeBounds: BridgeBounds = {
  pendingMax: 1_000,
  lineBytesMax: 32 << 20,
  probeTimeoutMs: 5_000,
  initializeTimeoutMs: 60_000,
  listTimeoutMs: 30_000,
  pagesMax: 200,
  respawnWaitMs: 5_000,
  respawnWaitersMax: 1_000,
  sessionsMax: 1_000,
  sessionIdleMs: 1_800_000,
  ownChildrenMax: 8,
  questionsMax: 64,
  questionWaitMs: 30_000,
  subscriptionsMax: 1_000,
  streamsMax: 4,
  streamCharsMax: 1 << 20,
  streamAgeMs: 3_600_000,
  handoverMs: 1_000,
  drainMs: 10_000,
  stopGraceMs: 3_000,
  deregisterMs: 3_000,
  logLinesPerSecondMax: 20,
  supervision: defaultSupervision,
};
