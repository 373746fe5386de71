/** The stdio bridge as a process of its own: the commands of cruvero.json as HTTP servers, announced over NATS. */

import { joinSources, serversFile, serversFromEnv } from '@cruvero/adapter-config-file';
import { busCredentials } from '@cruvero/adapter-bus-credentials';
import { httpListener } from '@cruvero/adapter-http';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import { childProcesses } from '@cruvero/adapter-stdio';
import {
  createLog,
  Health,
  orRefuse,
  readConfig,
  runMain,
  statusEndpoint,
  systemClock,
  systemRandom,
  untilAborted,
} from '@cruvero/chassis';
import { readAskerKey } from '@cruvero/contracts';
import { startStdioBridge } from '@cruvero/service-stdio-bridge';
import { service, settings, version } from './settings.ts';
import { withStatus } from './with-status.ts';

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig(env, settings));
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  const shared = { clock: systemClock, random: systemRandom };
  await using telemetry = await openTelemetry({ service: serviceName, version, otlpEndpoint, log });
  const { metrics } = telemetry;
  await using bus = await connectNats({
    url: config.natsUrl.reveal(),
    name: service,
    log,
    metrics,
    ...shared,
  });
  await using children = childProcesses({ log });
  const health = new Health(systemClock);
  health.add('bus', () => (bus.state() === 'connected' ? undefined : 'not connected to NATS'));
  const status = statusEndpoint({
    service: serviceName,
    version,
    health,
    metrics,
    allowedHosts: config.bridge.allowedHosts,
  });
  const source = joinSources(
    serversFile(config.serversPath, { clock: systemClock, env }),
    serversFromEnv(env),
  );
  const { asker, bridge: own } = config;
  const key = asker && readAskerKey(asker.key.reveal());
  await using credentials =
    asker &&
    key &&
    (await busCredentials(
      { asker: asker.asker, key, subjectPrefix: own.subjectPrefix },
      { bus, log, metrics, ...shared },
    ));
  const listener = withStatus(httpListener(config.listen), status);
  await using bridge = await startStdioBridge(config.bridge, {
    children,
    bus,
    source,
    listener,
    ...(credentials ? { credentials } : {}),
    telemetry,
    ...shared,
  });
  await Promise.race([bridge.ready(), untilAborted(signal)]);
  if (signal.aborted) return;
  process.stdout.write(`ready ${bridge.url ?? ''}\n`);
  await untilAborted(signal);
  health.drain();
});
