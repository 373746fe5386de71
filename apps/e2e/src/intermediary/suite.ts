/** All checks, in the order in which they run. */

import type { Group } from './check.ts';
import { disconnectChecks } from './checks/disconnect.ts';
import { fidelityChecks } from './checks/fidelity.ts';
import { headerChecks } from './checks/headers.ts';
import { httpChecks } from './checks/http.ts';
import { isolationChecks } from './checks/isolation.ts';
import { matrixChecks } from './checks/matrix.ts';
import { parkedChecks } from './checks/parked.ts';
import { remapChecks } from './checks/remap.ts';
import { requestStateChecks } from './checks/request-state.ts';
import { killChecks, sessionChecks } from './checks/sessions.ts';
import { streamChecks } from './checks/streams.ts';

export const groups: readonly Group[] = [
  headerChecks,
  httpChecks,
  ...matrixChecks,
  fidelityChecks,
  streamChecks,
  remapChecks,
  isolationChecks,
  requestStateChecks,
  parkedChecks,
  disconnectChecks,
  sessionChecks,
  killChecks,
];
