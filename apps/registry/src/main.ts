/** The registry as a process of its own: PostgreSQL for its rows, NATS to hear servers and tell gateways, HTTP for operators. */

import { busCredentials } from '@cruvero/adapter-bus-credentials';
import { joinSources, serversFile, serversFromEnv } from '@cruvero/adapter-config-file';
import { httpListener } from '@cruvero/adapter-http';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import { databaseLabel, openServerStore, openWhenThere, pgRunner } from '@cruvero/adapter-postgres';
import {
  createLog,
  isLoopbackHost,
  orRefuse,
  readConfig,
  runMain,
  systemClock,
  systemRandom,
  untilAborted,
} from '@cruvero/chassis';
import { readAskerKey } from '@cruvero/contracts';
import { startRegistry } from '@cruvero/service-registry';
import { service, settings } from './settings.ts';

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig(env, settings));
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  await using telemetry = await openTelemetry({
    service: serviceName,
    version: config.registry.version,
    otlpEndpoint,
    log,
  });
  const parts = { clock: systemClock, random: systemRandom, telemetry };
  const url = config.databaseUrl.reveal();
  await using runner = pgRunner({ url, log });
  const open = () => openServerStore(runner, { clock: systemClock });
  const store = await openWhenThere(open, { log, signal, clock: systemClock, database: databaseLabel(url) });
  if (!store) return;
  await using bus = await connectNats({
    url: config.natsUrl.reveal(),
    name: service,
    log,
    metrics: telemetry.metrics,
    ...parts,
  });
  const { asker } = config;
  const key = asker && readAskerKey(asker.key.reveal());
  const { subjectPrefix } = config.registry;
  const asking = { bus, log, metrics: telemetry.metrics, clock: systemClock, random: systemRandom };
  await using secrets =
    asker && key && (await busCredentials({ asker: asker.asker, key, subjectPrefix }, asking));
  const serversSource = joinSources(
    serversFile(config.configFile, { clock: systemClock, env }),
    serversFromEnv(env),
  );
  await using registry = await startRegistry(
    { ...config.registry, acceptInproc: false, loopback: isLoopbackHost(config.listen.host) },
    {
      ...parts,
      store,
      bus,
      serversSource,
      listener: httpListener(config.listen),
      ...(secrets ? { secrets } : {}),
    },
  );
  const { agentKey, adminKey } = registry.firstKeys ?? {};
  if (agentKey !== undefined) process.stdout.write(`agent-key ${agentKey}\n`);
  if (adminKey !== undefined) process.stdout.write(`admin-key ${adminKey}\n`);
  process.stdout.write(`ready ${registry.listening?.url ?? ''}\n`);
  await untilAborted(signal);
});
