/** mcp-announce as a process beside a server, the way its operator starts it. */

import { startProgram, type Program } from './program.fixture.ts';

export interface SidecarOptions {
  readonly server: string;
  readonly endpoint: string;
  readonly heartbeatMs: number;
  /** Where to announce: what `--nats-url` or `--gateway` need. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export function startSidecar({ server, endpoint, heartbeatMs, args, env = {} }: SidecarOptions): Program {
  const about = ['--server', server, '--transport', 'http', '--endpoint', endpoint];
  return startProgram({
    file: 'apps/mcp-announce/src/main.ts',
    args: [...about, '--heartbeat', `${heartbeatMs}ms`, ...args],
    env,
  });
}
