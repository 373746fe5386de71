/** The health monitor's environment as a process of its own. */

import { readNatsUrl } from '@cruvero/adapter-nats';
import { natsUrlSetting, refuseHostEntry, telemetryConfig, type Reader } from '@cruvero/chassis';
import { healthMonitorConfig } from '@cruvero/service-health-monitor';

export const service = 'cruvero-health-monitor';

export const settings = (read: Reader) => ({
  monitor: healthMonitorConfig(read),
  telemetry: telemetryConfig(service)(read),
  natsUrl: natsUrlSetting(read, readNatsUrl),
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
