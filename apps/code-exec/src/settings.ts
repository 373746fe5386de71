/** The environment of code execution as a process of its own. */

import { hostname } from 'node:os';
import { readNatsUrl } from '@cruvero/adapter-nats';
import { natsUrlSetting, telemetryConfig, type Reader } from '@cruvero/chassis';
import { codeExecListen, codeExecSettings } from '@cruvero/service-code-exec';

export const service = 'cruvero-code-exec';
export const version = '0.1.0';

export const settings = (read: Reader) => ({
  ...codeExecSettings(hostname())(read),
  listen: codeExecListen(read),
  heartbeatIntervalMs: read.durationMs('CRUVERO_MCP_HEARTBEAT_INTERVAL', {
    orElse: 30_000,
    min: 100,
    max: 86_400_000,
    help: 'How often each instance sends a heartbeat.',
  }),
  announced: read.boolean('MCP_CODE_EXEC_ANNOUNCE', {
    orElse: true,
    help: 'Whether it announces itself over NATS, so that gateways find it.',
  }),
  telemetry: telemetryConfig(service)(read),
  natsUrl: natsUrlSetting(read, readNatsUrl),
});
