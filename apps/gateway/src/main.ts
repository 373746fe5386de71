/** The gateway as a process of its own: NATS for configuration, HTTP to servers, Redis for what replicas share. */

import { join } from 'node:path';
import { stateFile } from '@cruvero/adapter-config-file';
import { httpListener, sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import { connectRedis } from '@cruvero/adapter-redis';
import {
  createLog,
  orRefuse,
  readConfig,
  runMain,
  systemClock,
  systemRandom,
  untilAborted,
} from '@cruvero/chassis';
import { startGateway } from '@cruvero/service-gateway';
import { service, settings } from './settings.ts';

/** How long the line `ready` waits for servers that do not answer. */
const settleMsMax = 20_000;

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig(env, settings));
  const { gateway: own } = config;
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  const shared = { name: service, clock: systemClock, random: systemRandom, log };
  await using telemetry = await openTelemetry({
    service: serviceName,
    version: own.version,
    otlpEndpoint,
    log,
  });
  const { metrics } = telemetry;
  await using bus = await connectNats({ url: config.natsUrl.reveal(), metrics, ...shared });
  await using redis =
    config.redisUrl &&
    (await connectRedis({ url: config.redisUrl.reveal(), keyPrefix: 'cruvero:', ...shared }));
  await using http = streamableUpstream({ connectionsMax: own.connectionsMax });
  await using sse = sseUpstream({ http: streamableUpstream(), clock: systemClock });
  await using gateway = await startGateway(own, {
    bus,
    upstreams: { http, sse },
    listener: httpListener(own.listen),
    stateFile: stateFile(join(own.dataDir, `gateway-${own.gatewayId}.json`)),
    sealFile: stateFile(join(own.dataDir, 'gateway-seal.key')),
    clock: systemClock,
    random: systemRandom,
    telemetry,
    ...(redis ? { counter: redis.counter, cache: redis.cache } : {}),
  });
  await gateway.ready([], settleMsMax);
  process.stdout.write(`ready ${gateway.listening.url}\n`);
  await untilAborted(signal);
});
