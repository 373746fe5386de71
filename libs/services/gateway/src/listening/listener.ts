/** Who listens, and where. */

import type { Principal, Snapshot } from '@cruvero/core';
import type { Door } from '../door.ts';

export interface Listener {
  readonly principal: Principal;
  readonly door: Door;
  readonly snapshot: Snapshot;
  /** False once its key is withdrawn: then its stream ends. */
  readonly isAdmitted?: () => boolean;
}
