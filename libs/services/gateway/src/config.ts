/** What the gateway is told at start; names as in requirements §2, §5, §8. */

import type { AuthMode, BreakerPolicy, GatewayId, RetryPolicy, TenantId } from '@cruvero/core';
import type { Secret } from '@cruvero/chassis';
import type { LinkBounds } from '@cruvero/upstream';

export interface GatewayConfig {
  readonly gatewayId: GatewayId;
  /** Tenant of callers and servers that name none. */
  readonly tenantId: TenantId;
  readonly version: string;
  readonly auth: AuthMode;
  /** Host headers answered besides the listener's own names; `host` or `host:port`. */
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly subjectPrefix: string;
  readonly link: LinkBounds;
  readonly retry: RetryPolicy;
  readonly breaker: BreakerPolicy;
  /** For a whole call, retries included. */
  readonly callDeadlineMs: number;
  readonly bodyBytesMax: number;
  /** Legacy sessions held; the one idle longest goes first. */
  readonly sessionsMax: number;
  readonly sessionsPerPrincipalMax: number;
  readonly sessionIdleMs: number;
  /** How long a client may take to answer what a server asks it. */
  readonly questionMs: number;
  /** Calls that wait for answers of modern callers. */
  readonly parkedMax: number;
  readonly parkedPerPrincipalMax: number;
  /** How tools and prompts are called on the aggregate, where the caller does not choose. */
  readonly nameStyle: 'canonical' | 'safe';
  /** The first seals, all of them open; absent: a key of this gateway's own. */
  readonly sealKeys: Secret | undefined;
  /** Open event streams, all callers together. */
  readonly streamsMax: number;
  /** A stream is closed after so long; its client opens a new one. */
  readonly streamAgeMs: number;
  /** A server's lists are asked again after so long. */
  readonly listAgeMs: number;
  /** How long running calls may take to end at shutdown. */
  readonly drainMs: number;
  /** Calls under way at once; beyond it callers are told to come again. */
  readonly callsMax: number;
  /** Calls to the code execution server are refused as unavailable while it is away, not as unknown. */
  readonly codeExecRequired?: boolean;
}
