/** The keys that a first start shows once. */

import type { Keys } from './layout.fixture.ts';

export function shownKeys(stdout: string): Partial<Keys> {
  const agentKey = /^agent-key (\S+)$/m.exec(stdout)?.[1];
  const adminKey = /^admin-key (\S+)$/m.exec(stdout)?.[1];
  return { ...(agentKey === undefined ? {} : { agentKey }), ...(adminKey === undefined ? {} : { adminKey }) };
}
