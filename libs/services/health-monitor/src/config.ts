/** What the health monitor is told at start; names as in requirements §4. */

import { subjectPrefixSetting, tenantSetting, type Reader } from '@cruvero/chassis';
import {
  defaultProbePolicy,
  readGatewayId,
  type GatewayId,
  type HealthPolicy,
  type TenantId,
} from '@cruvero/core';

export interface HealthMonitorConfig {
  /** It asks for configuration the way a gateway does, so it has an id among them. */
  readonly monitorId: GatewayId;
  /** Tenant of events that name none. */
  readonly tenantId: TenantId;
  readonly version: string;
  readonly subjectPrefix: string;
  readonly policy: HealthPolicy;
  readonly probeIntervalMs: number;
  /** For one exchange of a probe. */
  readonly probeTimeoutMs: number;
  /** Probes under way at once. */
  readonly probesMax: number;
  /** Instances watched; further ones are left out, and said. */
  readonly instancesMax: number;
}

const defaultMonitorId = 'health-monitor';
const dayMs = 86_400_000;

/** Reads the settings. */
export function healthMonitorConfig(read: Reader): HealthMonitorConfig {
  return {
    monitorId: readId(read),
    tenantId: tenantSetting(read),
    version: '0.1.0',
    subjectPrefix: subjectPrefixSetting(read),
    policy: {
      probes: defaultProbePolicy,
      assumedIntervalMs: read.durationMs('CRUVERO_MCP_HEARTBEAT_INTERVAL', {
        orElse: 30_000,
        min: 100,
        max: dayMs,
        help: 'How often a server is expected to send heartbeats when it sends some but did not say how often.',
      }),
      staleThresholdMs: read.durationMs('CRUVERO_MCP_STALE_THRESHOLD', {
        optional: true,
        min: 100,
        max: dayMs,
        help:
          'Silence after which a server that promised heartbeats is stale; three times as long makes it expired. Never less than two ' +
          "of the server's own intervals. Without it: three of its intervals, which is 90s at 30s.",
      }),
    },
    probeIntervalMs: read.durationMs('CRUVERO_MCP_PROBE_INTERVAL', {
      orElse: 30_000,
      min: 100,
      max: dayMs,
      help: 'How often each instance is probed over a connection that is kept open, give or take a tenth.',
    }),
    probeTimeoutMs: read.durationMs('CRUVERO_MCP_PROBE_TIMEOUT', {
      orElse: 5_000,
      min: 10,
      max: 300_000,
      help: 'A probe that has no answer for so long has failed. Three failures in a row make an instance unhealthy.',
    }),
    probesMax: 16,
    instancesMax: 10_000,
  };
}

function readId(read: Reader): GatewayId {
  const name = 'CRUVERO_HEALTH_MONITOR_ID';
  const told = {
    orElse: defaultMonitorId,
    help: 'Name of this monitor among the gateways that ask the registry.',
  };
  const id = readGatewayId(read.text(name, told));
  if (id) return id;
  read.refuse(name, 'must be 1 to 63 letters, digits, - or _');
  return defaultMonitorId as GatewayId;
}
