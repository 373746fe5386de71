/** The health monitor as a process of its own: NATS for news, HTTP to the servers, three status paths. */

import { httpListener, sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
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
import { startHealthMonitor } from '@cruvero/service-health-monitor';
import { service, settings } from './settings.ts';

const drainMs = 2_000;

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig(env, settings));
  const { version } = config.monitor;
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  await using telemetry = await openTelemetry({ service: serviceName, version, otlpEndpoint, log });
  const { metrics } = telemetry;
  await using bus = await connectNats({
    url: config.natsUrl.reveal(),
    name: service,
    clock: systemClock,
    random: systemRandom,
    log,
    metrics,
  });
  await using http = streamableUpstream();
  await using sse = sseUpstream({ http: streamableUpstream(), clock: systemClock });
  await using monitor = await startHealthMonitor(config.monitor, {
    bus,
    upstreams: { http, sse },
    clock: systemClock,
    random: systemRandom,
    telemetry,
  });
  const health = new Health(systemClock);
  health.add('bus', () => monitor.unready());
  const listening = await httpListener(config.listen).listen(
    statusEndpoint({ service: serviceName, version, health, metrics, allowedHosts: config.allowedHosts }),
  );
  process.stdout.write(`ready ${listening.url}\n`);
  await untilAborted(signal);
  health.drain();
  await listening.close(drainMs);
});
