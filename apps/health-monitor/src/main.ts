/** The health monitor as a process of its own: NATS for news, HTTP to the servers, three status paths. */

import { httpListener, sseUpstream, streamableUpstream } from '@cruvero/adapter-http';
import { connectNats, readNatsUrl } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import {
  createLog,
  Health,
  orRefuse,
  readConfig,
  refuseHostEntry,
  runMain,
  Secret,
  statusEndpoint,
  systemClock,
  systemRandom,
  telemetryConfig,
  untilAborted,
  type Reader,
} from '@cruvero/chassis';
import { healthMonitorConfig, startHealthMonitor } from '@cruvero/service-health-monitor';

const service = 'cruvero-health-monitor';
const drainMs = 2_000;

const settings = (read: Reader) => ({
  monitor: healthMonitorConfig(read),
  telemetry: telemetryConfig(service)(read),
  natsUrl: readNats(read),
  listen: read.hostPort('CRUVERO_HEALTH_MONITOR_LISTEN_ADDR', {
    orElse: { host: '127.0.0.1', port: 8082 },
    help: 'Address of /healthz, /readyz and /metrics of the health monitor. Port 0 takes any free port.',
  }),
  allowedHosts: read.list('CRUVERO_HEALTH_MONITOR_ALLOWED_HOSTS', {
    orElse: [],
    refuseItem: refuseHostEntry,
    help: 'Host headers that the health monitor answers to, as host or host:port, beside its own address.',
  }),
});

/** Kept as a secret, since a password may stand in it. */
function readNats(read: Reader): Secret {
  const name = 'CRUVERO_NATS_URL';
  const help = 'NATS server, several with commas: nats://host:4222 or tls://host:4222. Default nats://localhost:4222.';
  const url = read.secret(name, { optional: true, help }) ?? new Secret('nats://localhost:4222');
  const address = readNatsUrl(url.reveal());
  if ('problem' in address) read.refuse(name, `is wrong: ${address.problem}`);
  return url;
}

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
