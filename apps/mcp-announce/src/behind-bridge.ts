/** Runs a stdio server and serves it over HTTP, so that it can be announced like any other. */

import { httpListener } from '@cruvero/adapter-http';
import { childProcesses } from '@cruvero/adapter-stdio';
import { systemClock, systemRandom, type Env } from '@cruvero/chassis';
import type { ServersSource, Telemetry } from '@cruvero/ports';
import { startStdioBridge, type StdioBridge } from '@cruvero/service-stdio-bridge';
import type { AnnounceOptions, Target } from './options.ts';

export interface BridgedCommand extends AsyncDisposable {
  /** Where it is served on this machine. */
  readonly endpoint: string;
  /** Why it does not come up; undefined while it is worth waiting. */
  hopeless(): string | undefined;
}

const bodyBytesMax = 16 << 20;
const requestTimeoutMs = 300_000;

/** The command's own environment is this program's, without what belongs to this platform: a NATS password may stand there. */
function environmentFor(env: Env): Record<string, string> {
  const kept = Object.entries(env).filter(
    ([name, value]) => value !== undefined && !name.startsWith('CRUVERO_'),
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? '']));
}

/** The command is started at once; whether it answers is seen by asking it. */
export async function runBehindBridge(
  options: AnnounceOptions,
  target: Extract<Target, { kind: 'command' }>,
  env: Env,
  telemetry: Telemetry,
): Promise<BridgedCommand> {
  const { server, publicUrl, ownChildrenMax } = options;
  const { command, args, bind } = target;
  const source: ServersSource = {
    read: async () => ({
      servers: [{ kind: 'command', name: server, command, args, env: environmentFor(env), instances: 1 }],
      problems: [],
    }),
    watch: () => ({ close: () => undefined }),
  };
  const children = childProcesses({ log: telemetry.log });
  const bridge = await startStdioBridge(
    {
      bridgeId: 'announced',
      subjectPrefix: options.prefix,
      heartbeatIntervalMs: options.heartbeatMs,
      requestTimeoutMs,
      bodyBytesMax,
      allowedHosts: publicUrl === undefined ? [] : [new URL(publicUrl).host],
      allowedOrigins: [],
      ...(ownChildrenMax === undefined ? {} : { bounds: { ownChildrenMax } }),
    },
    { children, clock: systemClock, random: systemRandom, telemetry, source, listener: httpListener(bind) },
  );
  return {
    endpoint: `${bridge.url ?? ''}${pathOf(bridge)}`,
    hopeless: () => whyDown(bridge, command),
    [Symbol.asyncDispose]: async () => {
      await bridge[Symbol.asyncDispose]();
      await children[Symbol.asyncDispose]();
    },
  };
}

function pathOf(bridge: StdioBridge): string {
  const [line] = bridge.listing();
  if (!line) throw new Error('a bridge with one command has one instance');
  return `/servers/${line.name}/${line.instance}/mcp`;
}

function whyDown(bridge: StdioBridge, command: string): string | undefined {
  const [line] = bridge.listing();
  if (line?.state !== 'failed') return undefined;
  return `The command ${JSON.stringify(command)} does not stay up: ${line.reason ?? 'it ended without a reason'}.`;
}
