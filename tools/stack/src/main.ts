/** `npm run stack`: real servers and every service as its own process on this machine, until Ctrl-C. */

import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { canListen } from './ports.ts';
import { startStack } from './stack.ts';
import type { Stack, StackOptions } from './stack.ts';
import { table } from './table.ts';

/** The checkout whose apps run: this one, or the one named as the only argument. */
const root = resolve(process.argv[2] ?? fileURLToPath(new URL('../../..', import.meta.url)));
/** Tried first, so that a client's configuration holds from one start to the next. */
const usualPorts = { gateway: 8080, registry: 8081 } as const;
/** The stack decides these; everything else of CRUVERO_* goes to the services as it is. */
const ownSettings = new Set([
  'CRUVERO_DATA_DIR',
  'CRUVERO_DATABASE_URL',
  'CRUVERO_DRAGONFLY_ADDR',
  'CRUVERO_EVENTS_BACKEND',
  'CRUVERO_NATS_URL',
  'CRUVERO_MCPGW_LISTEN_ADDR',
  'CRUVERO_REGISTRY_LISTEN_ADDR',
  'CRUVERO_CREDENTIAL_BROKER_LISTEN_ADDR',
  'CRUVERO_HEALTH_MONITOR_LISTEN_ADDR',
  'CRUVERO_STDIO_BRIDGE_LISTEN_ADDR',
  'MCP_CODE_EXEC_HOST',
  'MCP_CODE_EXEC_PORT',
]);

process.exitCode = await main();

async function main(): Promise<number> {
  const stopAsked = untilSignal();
  let started: Stack | string;
  try {
    started = await Promise.race([start(), stopAsked]);
  } catch (error) {
    say(describe(error));
    process.exit(1);
  }
  // Half a stack is not worth an orderly end: the reaper ends what has begun.
  if (typeof started === 'string') process.exit(130);
  const stack = started;
  say(whereEverythingIs(stack));
  say('Ctrl-C stops everything.');
  forwardWordsForPeople(stack);
  stack.services.gateway.ready().catch((error: unknown) => say(describe(error)));
  say(`${await stopAsked}: stopping …`);
  await stack.stop();
  say('stopped');
  return 0;
}

async function start(): Promise<Stack> {
  return await startStack({
    root,
    folder: resolve(root, process.env['CRUVERO_DATA_DIR'] ?? '.cruvero/stack'),
    ports: await choosePorts(),
    env: handedOn(),
    awaitReady: false,
    restartOnDeath: true,
    onEvent: say,
  });
}

/** Resolves with the first signal; a second one ends this process, and the reaper everything else. */
async function untilSignal(): Promise<string> {
  return await new Promise((resolve) => {
    // Nothing that runs below keeps this process alive.
    const alive = setInterval(() => undefined, 60_000);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        clearInterval(alive);
        resolve(signal);
        process.once(signal, () => process.exit(130));
      });
    }
  });
}

/** Given addresses are kept, the usual ports taken when they are free, and free ones otherwise. */
async function choosePorts(): Promise<NonNullable<StackOptions['ports']>> {
  const ports: NonNullable<StackOptions['ports']> = {};
  const names = {
    gateway: 'CRUVERO_MCPGW_LISTEN_ADDR',
    registry: 'CRUVERO_REGISTRY_LISTEN_ADDR',
    'credential-broker': 'CRUVERO_CREDENTIAL_BROKER_LISTEN_ADDR',
    'health-monitor': 'CRUVERO_HEALTH_MONITOR_LISTEN_ADDR',
    'stdio-bridge': 'CRUVERO_STDIO_BRIDGE_LISTEN_ADDR',
  } as const;
  for (const service of [
    'gateway',
    'registry',
    'credential-broker',
    'health-monitor',
    'stdio-bridge',
  ] as const) {
    const given = process.env[names[service]];
    if (given !== undefined) ports[service] = portOf(names[service], given);
    else if (service in usualPorts) {
      const usual = usualPorts[service as keyof typeof usualPorts];
      if (await canListen(usual)) ports[service] = usual;
    }
  }
  return ports;
}

function portOf(name: string, address: string): number {
  const found = /^(?:127\.0\.0\.1|localhost)?:(\d{1,5})$/.exec(address)?.[1];
  if (found !== undefined && Number(found) > 0 && Number(found) < 65_536) return Number(found);
  throw new Error(`${name} must be 127.0.0.1:<port> for the local stack, not ${JSON.stringify(address)}`);
}

function handedOn(): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => /^(?:CRUVERO|MCP_CODE_EXEC)_/.test(name) && !ownSettings.has(name),
    ),
  );
}

/** The gateway's `ready` line and the registry's first keys, shown once; log records stay in the log files. */
function forwardWordsForPeople(stack: Stack): void {
  for (const service of stack.running) {
    const forward = (line: string): void => {
      if (!line.startsWith('{') && !(service.name !== 'gateway' && line.startsWith('ready '))) say(line);
    };
    const before = service.stdout();
    for (const line of before.split('\n').filter(Boolean)) forward(line);
    service.onStdoutLine(forward);
  }
}

function whereEverythingIs({ nats, postgres, redis, running }: Stack): string {
  const rows = [
    ...[postgres, nats, redis].map((each) => [
      each.name,
      withoutPassword(each.url),
      String(each.pid),
      shown(each.logFile),
    ]),
    ...running.map((each) => [each.name, each.url, String(each.pid), shown(each.logFile)]),
  ];
  return `\n${table([['what', 'where', 'process', 'log'], ...rows])}\n\n  PostgreSQL's password stands in ${shown(postgres.folder)}/password\n`;
}

function withoutPassword(url: string): string {
  return url.replace(/:[^:@/]+@/, '@');
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
