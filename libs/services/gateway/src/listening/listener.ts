/** Who listens, and where. */

import type { Principal, Snapshot } from '@cruvero/core';
import type { Door } from '../door.ts';

export interface Listener {
  readonly principal: Principal;
  readonly door: Door;
  readonly snapshot: Snapshot;
}
