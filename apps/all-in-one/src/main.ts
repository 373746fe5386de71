/** Every service in one process over embedded stores: what `npm start` runs. */

import { join } from 'node:path';
import { serversFile, serversFromEnv, joinSources, stateFile } from '@cruvero/adapter-config-file';
import { httpListener, sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import { memoryBroker } from '@cruvero/adapter-memory';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import { openServerStore, pgliteRunner } from '@cruvero/adapter-postgres';
import { childProcesses } from '@cruvero/adapter-stdio';
import { createLog, orRefuse, readConfig, runMain, systemClock, systemRandom, untilAborted } from '@cruvero/chassis';
import { startGateway } from '@cruvero/service-gateway';
import { startHealthMonitor } from '@cruvero/service-health-monitor';
import { startRegistry } from '@cruvero/service-registry';
import { startStdioBridge } from '@cruvero/service-stdio-bridge';
import { greet } from './greeting.ts';
import { service, settings, terminalDefaults } from './settings.ts';

/** How long the line `ready` waits for servers that do not answer. */
const readyMsMax = 60_000;

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig({ ...terminalDefaults, ...env }, settings));
  const { dataDir, tenantId, version, subjectPrefix } = config.gateway;
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  await using telemetry = await openTelemetry({ service: serviceName, version, otlpEndpoint, log });
  const parts = { clock: systemClock, random: systemRandom, telemetry };

  const broker = memoryBroker(parts);
  const connect = async (name: string) =>
    config.eventsBackend === 'memory'
      ? broker.connect()
      : connectNats({ url: config.natsUrl.reveal(), name: `${service}-${name}`, log, metrics: telemetry.metrics, ...parts });
  const serversSource = joinSources(
    serversFile(config.configFile, { clock: systemClock, env }),
    serversFromEnv(env),
  );

  await using database = await pgliteRunner({ folder: join(dataDir, 'database') });
  await using store = await openServerStore(database, { clock: systemClock });
  await using registryBus = await connect('registry');
  await using registry = await startRegistry(
    { ...config.registry, acceptInproc: true, loopback: true, authMode: config.gateway.auth },
    { ...parts, store, bus: registryBus, serversSource },
  );
  await using bridgeBus = await connect('bridge');
  await using children = childProcesses({ log });
  await using bridge = await startStdioBridge(
    {
      bridgeId: 'local',
      tenantId,
      subjectPrefix,
      heartbeatIntervalMs: config.heartbeatMs,
      requestTimeoutMs: config.gateway.callDeadlineMs,
      bodyBytesMax: config.gateway.bodyBytesMax,
      allowedHosts: [],
      allowedOrigins: [],
    },
    { ...parts, children, source: serversSource, bus: bridgeBus },
  );
  await using http = streamableUpstream({ connectionsMax: config.gateway.connectionsMax });
  await using sse = sseUpstream({ http: streamableUpstream(), clock: systemClock });
  const upstreams = { http, sse, inproc: bridge.upstream };
  await using monitorBus = await connect('health-monitor');
  await using _monitor = await startHealthMonitor(config.monitor, { ...parts, bus: monitorBus, upstreams });
  await using gatewayBus = await connect('gateway');
  await using gateway = await startGateway(config.gateway, {
    ...parts,
    bus: gatewayBus,
    upstreams,
    listener: httpListener(config.gateway.listen),
    stateFile: stateFile(join(dataDir, `gateway-${config.gateway.gatewayId}.json`)),
    mounts: ['/admin/api', '/api/v1', '/openapi.json'].map((prefix) => ({ prefix, handler: registry.handler })),
  });

  await bridge.ready();
  const { servers } = await serversSource.read();
  const down = new Set(bridge.listing().flatMap((line) => (line.state === 'running' ? [] : [line.name])));
  const names = servers.map((server) => server.name).filter((name) => !down.has(name));
  const complete = await gateway.ready(names, readyMsMax);
  greet(gateway, { listing: bridge.listing(), complete, firstKeys: registry.firstKeys, needsKey: config.gateway.auth !== 'none' });
  await untilAborted(signal);
});
