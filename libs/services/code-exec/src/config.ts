/** What the code-exec service is told at start. */

import type { SandboxBounds } from '@cruvero/ports';
import type { Secret } from '@cruvero/chassis';
import type { TenantId } from '@cruvero/core';

export interface CodeExecConfig {
  readonly version: string;
  /** Part of the instance id: different for each process on one bus, the same again after a restart. */
  readonly instanceName: string;
  readonly tenantId: TenantId | undefined;
  readonly subjectPrefix: string;
  readonly heartbeatIntervalMs: number;
  /** For each run; `timeoutMs` is the longest that a call may ask for, and what stands if it asks for none. */
  readonly bounds: SandboxBounds;
  /** Runs at one time. */
  readonly runsMax: number;
  /** Calls that wait for their turn; beyond it callers are told to come again. */
  readonly waitingMax: number;
  /** How long a call waits for its turn. */
  readonly waitMsMax: number;
  /** How long produced files can be read. */
  readonly keptMs: number;
  /** Produced files, all callers together. */
  readonly keptBytesMax: number;
  readonly workspaceIdleMs: number;
  readonly workspaceBytesMax: number;
  /** Of all callers together. */
  readonly workspacesBytesMax: number;
  /** Of one caller. */
  readonly workspacesMax: number;
  /** Of one HTTP request. */
  readonly bodyBytesMax: number;
  /** Whoever does not bring it is refused; undefined asks for none. */
  readonly token: Secret | undefined;
  /** How others reach the listener, where that is not the address it is bound to. */
  readonly publicUrl: string | undefined;
  readonly allowedHosts: readonly string[];
  /** How long running calls may take to end at shutdown. */
  readonly drainMs: number;
}
