/** Every service in one process over embedded stores: what `npm start` runs. */

import { join } from 'node:path';
import { joinSources, serversFile, serversFromEnv, stateFile } from '@cruvero/adapter-config-file';
import { httpListener } from '@cruvero/adapter-http';
import { memoryBroker } from '@cruvero/adapter-memory';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import {
  createLog,
  orRefuse,
  readConfig,
  runMain,
  systemClock,
  systemRandom,
  untilAborted,
} from '@cruvero/chassis';
import type { ServerName } from '@cruvero/core';
import type { Bus, ConfiguredServer, Log } from '@cruvero/ports';
import { startGateway } from '@cruvero/service-gateway';
import type { StdioBridge } from '@cruvero/service-stdio-bridge';
import { startControlPlane } from './control-plane.ts';
import { startCredentials } from './credentials.ts';
import { greet } from './greeting.ts';
import { service, settings, terminalDefaults, type EmbeddedSettings } from './settings.ts';

/** How long the line `ready` waits for servers that do not answer. */
const readyMsMax = 60_000;
/** Paths of the registry behind the gateway's address. */
const registryPrefixes = ['/admin/api', '/api/v1', '/openapi.json'];

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig({ ...terminalDefaults, ...env }, settings));
  const { version, listen, dataDir, gatewayId, auth } = config.gateway;
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  await using telemetry = await openTelemetry({ service: serviceName, version, otlpEndpoint, log });
  const connect = busOf(config, log);
  const serversSource = joinSources(
    serversFile(config.configFile, { clock: systemClock, env }),
    serversFromEnv(env),
  );
  await using stack = new AsyncDisposableStack();
  const credentials = await startCredentials(config, { env, telemetry, connect, stack });
  const parts = { telemetry, serversSource, connect, stack, credentials };
  const { registry, bridge, upstreams, codeExecLine } = await startControlPlane(config, parts);
  await using bus = await connect('gateway');
  await using gateway = await startGateway(config.gateway, {
    bus,
    upstreams,
    listener: httpListener(listen),
    stateFile: stateFile(join(dataDir, `gateway-${gatewayId}.json`)),
    sealFile: stateFile(join(dataDir, 'gateway-seal.key')),
    clock: systemClock,
    random: systemRandom,
    telemetry,
    credentials: credentials.gateway,
    mounts: registryPrefixes.map((prefix) => ({ prefix, handler: registry.handler })),
  });

  // A server that takes long to start does not hold up the end.
  const stopping = untilAborted(signal);
  await Promise.race([bridge.ready(), stopping]);
  const { servers } = await serversSource.read();
  const expected = await registry.expected(servers);
  const whole = gateway.ready(namesThatRun(expected, bridge, servers), readyMsMax);
  const complete = await Promise.race([whole, stopping.then(() => false)]);
  const { firstKeys } = registry;
  const listing = bridge.listing();
  // Also where the end has come already: the keys are shown only once.
  greet(gateway.listening.url, { listing, complete, firstKeys, needsKey: auth !== 'none', codeExecLine });
  await stopping;
});

/** Each service has a connection of its own to one broker, in this process or on NATS. */
function busOf({ eventsBackend, natsUrl }: EmbeddedSettings, log: Log): (name: string) => Promise<Bus> {
  const shared = { clock: systemClock, random: systemRandom, log };
  if (eventsBackend === 'nats') {
    return (name) => connectNats({ url: natsUrl.reveal(), name: `${service}-${name}`, ...shared });
  }
  const broker = memoryBroker(shared);
  return async () => broker.connect();
}

/** A child that does not come up is said, and not waited for. */
function namesThatRun(
  names: readonly ServerName[],
  bridge: StdioBridge,
  servers: readonly ConfiguredServer[],
): readonly ServerName[] {
  const down = new Set(bridge.listing().flatMap((line) => (line.state === 'running' ? [] : [line.name])));
  const started = new Set(bridge.listing().map(({ name }) => name));
  // One that waits for its secret was not even started.
  for (const { kind, name } of servers) if (kind === 'command' && !started.has(name)) down.add(name);
  return names.filter((name) => !down.has(name));
}
