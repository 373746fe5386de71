#!/usr/bin/env node
/** mcp-announce: says that a server is there, for as long as it is. */

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import {
  createLog,
  exitCodes,
  runMain,
  systemClock,
  systemRandom,
  type Env,
  type LogLevel,
} from '@cruvero/chassis';
import { readInstanceId, type InstanceId, type ServerName } from '@cruvero/core';
import type { Log, Telemetry, Upstream } from '@cruvero/ports';
import { defaultBounds, UpstreamLink } from '@cruvero/upstream';
import { Announcer } from './announcer.ts';
import { gatewayBus, type AnnounceBus } from './gateway-bus.ts';
import { runBehindBridge, type BridgedCommand } from './behind-bridge.ts';
import { readCommandLine } from './command-line.ts';
import { isProblemList, readOptions, type AnnounceOptions } from './options.ts';

const service = 'mcp-announce';
const version = '0.1.0';
const askTimeoutMs = 10_000;

const say = (sentence: string): void => void process.stderr.write(`${sentence}\n`);
const out = (line: string): void => void process.stdout.write(`${line}\n`);

/** The same copy of a server has the same id after a restart, so that it replaces itself. */
function instanceIdOf(server: ServerName, endpoint: string): InstanceId {
  const mark = createHash('sha256').update(`${hostname()}\n${endpoint}`).digest('hex').slice(0, 8);
  const id = readInstanceId(`${server}-${mark}`);
  if (!id) throw new Error(`no instance id from ${server}`);
  return id;
}

/** What the libraries say is for debugging, but the words of a command's stderr belong to whoever started it. */
function levelOf(env: Env, options: AnnounceOptions): LogLevel {
  const asked = (['debug', 'info', 'warn', 'error'] as const).find(
    (level) => level === env['CRUVERO_LOG_LEVEL'],
  );
  return asked ?? (options.target.kind === 'command' ? 'info' : 'error');
}

/** Under the public URL for a command stands the same path as under the bridge's own. */
function endpointFor(options: AnnounceOptions, localEndpoint: string): string {
  const { publicUrl, target } = options;
  if (publicUrl === undefined) return localEndpoint;
  return target.kind === 'url' ? publicUrl : publicUrl.replace(/\/+$/, '') + new URL(localEndpoint).pathname;
}

/** NATS connects in the background and for ever; the gateway is asked when there is something to say. */
async function openBus(
  { bus, server }: AnnounceOptions,
  { http, stack, log }: { http: Upstream; stack: AsyncDisposableStack; log: Log },
): Promise<AnnounceBus> {
  if (bus.kind === 'gateway') return gatewayBus({ url: bus.url, key: bus.key, http });
  const name = `${service} ${server}`;
  const shared = { clock: systemClock, random: systemRandom, log };
  return stack.use(await connectNats({ url: bus.url.reveal(), name, drainMsMax: 1_000, ...shared }));
}

const nameOf = ({ bus }: AnnounceOptions): string => (bus.kind === 'nats' ? 'NATS' : bus.url);

async function announce(
  options: AnnounceOptions,
  env: Env,
  telemetry: Telemetry,
  signal: AbortSignal,
): Promise<void> {
  const { target, server } = options;
  const { log } = telemetry;
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const random = systemRandom;
  const bridged: BridgedCommand | undefined =
    target.kind === 'command' ? stack.use(await runBehindBridge(options, target, env, telemetry)) : undefined;
  const localEndpoint = target.kind === 'url' ? target.endpoint : (bridged?.endpoint ?? '');
  const transport = target.kind === 'url' ? target.transport : 'http';
  const endpoint = endpointFor(options, localEndpoint);
  const instanceId = options.instanceId ?? instanceIdOf(server, endpoint);
  const http = stack.use(streamableUpstream());
  const bus = await openBus(options, { http, stack, log });
  const sse = stack.use(sseUpstream({ http: streamableUpstream(), clock }));
  const link = new UpstreamLink(
    { server, instance: { instanceId, transport, endpoint: localEndpoint } },
    { ...defaultBounds, timeoutMs: askTimeoutMs },
    { upstreams: { http, sse }, clock, random: systemRandom, clientInfo: { name: service, version } },
  );
  const { tenantId, versionLabel, tags, weight } = options;
  const heartbeatMs = options.once ? undefined : options.heartbeatMs;
  // arguments may carry secrets
  const shown = target.kind === 'url' ? target.endpoint : target.command;
  const hopeless = (): string | undefined => bridged?.hopeless();
  await new Announcer(
    { server, instanceId, tenantId, transport, endpoint, heartbeatMs, versionLabel, tags, weight },
    { bus, busName: nameOf(options), prefix: options.prefix, link, clock, random, say, out, hopeless, shown },
  ).run(signal);
}

await runMain(async (env, signal) => {
  const line = readCommandLine(process.argv.slice(2));
  if ('print' in line) {
    (line.exitCode === 0 ? process.stdout : process.stderr).write(line.print);
    process.exitCode = line.exitCode;
    return;
  }
  const options = readOptions(line.flags, line.command, env);
  if (isProblemList(options)) {
    for (const problem of options) say(problem);
    say('See mcp-announce --help.');
    process.exitCode = exitCodes.badConfig;
    return;
  }
  const log = createLog({ service, level: levelOf(env, options), format: 'text' });
  await using telemetry = await openTelemetry({ service, version, log });
  // the timers of the clock do not keep a process alive, and while NATS is away nothing else does
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await announce(options, env, telemetry, signal);
  } finally {
    clearInterval(alive);
  }
});
