/** The gateway as a process of its own: NATS for configuration, HTTP to servers, Redis for what replicas share. */

import { join } from 'node:path';
import { stateFile } from '@cruvero/adapter-config-file';
import { busCredentials, type BusCredentialsParts } from '@cruvero/adapter-bus-credentials';
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
import { readAskerKey } from '@cruvero/contracts';
import { startGateway } from '@cruvero/service-gateway';
import type { Credentials } from '@cruvero/ports';
import { service, settings } from './settings.ts';

type Settings = ReturnType<typeof settings>;

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
  await using credentials = await askerOf(config, { bus, metrics, ...shared });
  await using gateway = await startGateway(own, {
    bus,
    upstreams: { http, sse },
    listener: httpListener(own.listen),
    stateFile: stateFile(join(own.dataDir, `gateway-${own.gatewayId}.json`)),
    sealFile: stateFile(join(own.dataDir, 'gateway-seal.key')),
    clock: systemClock,
    random: systemRandom,
    telemetry,
    ...(credentials ? { credentials } : {}),
    ...(redis ? { counter: redis.counter, cache: redis.cache } : {}),
  });
  await gateway.ready([], settleMsMax);
  process.stdout.write(`ready ${gateway.listening.url}\n`);
  await untilAborted(signal);
});

/** What servers are shown is asked for over the bus; without a key nobody is asked. */
async function askerOf(
  { asker, gateway }: Settings,
  parts: BusCredentialsParts,
): Promise<Credentials | undefined> {
  const key = asker && readAskerKey(asker.key.reveal());
  if (!asker || !key) return undefined;
  return busCredentials({ asker: asker.asker, key, subjectPrefix: gateway.subjectPrefix }, parts);
}
