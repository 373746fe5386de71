/** The environment of the embedded layout: every service's settings, read once. */

import { join } from 'node:path';
import { hostname } from 'node:os';
import { readNatsUrl } from '@cruvero/adapter-nats';
import { readEnvironmentNames, readFileKey } from '@cruvero/adapter-secret-file';
import { readVaultPath } from '@cruvero/adapter-vault';
import { natsUrlSetting, telemetryConfig, type Reader } from '@cruvero/chassis';
import { credentialBrokerTerms, providerSettings } from '@cruvero/service-credential-broker';
import { codeExecSettings } from '@cruvero/service-code-exec';
import { readGatewaySettings } from '@cruvero/service-gateway';
import { healthMonitorConfig } from '@cruvero/service-health-monitor';
import { registryConfig } from '@cruvero/service-registry';
import { ownChildrenSetting } from '@cruvero/service-stdio-bridge';

export const service = 'cruvero';

const secretReaders = {
  vaultPath: readVaultPath,
  environmentNames: readEnvironmentNames,
  fileKey: readFileKey,
};

export const settings = (read: Reader) => {
  const gateway = readGatewaySettings(read);
  const secretsFile = join(gateway.dataDir, 'credentials.enc');
  return { gateway, providers: providerSettings(read, secretReaders, secretsFile), ...others(read) };
};

const others = (read: Reader) => ({
  broker: credentialBrokerTerms(read),
  registry: registryConfig(read),
  monitor: healthMonitorConfig(read),
  telemetry: telemetryConfig(service)(read),
  codeExecEnabled: read.boolean('CRUVERO_CODE_EXEC_ENABLED', {
    orElse: false,
    help: 'Whether python_exec and bash_exec are served as the server code-exec. Where the sandbox cannot be had, the start says why and they are not.',
  }),
  codeExec: codeExecSettings(hostname())(read),
  configFile: read.text('CRUVERO_CONFIG', {
    orElse: 'cruvero.json',
    help: 'File of configured servers, in the mcpServers shape of MCP clients. Read again when it changes.',
  }),
  eventsBackend: read.oneOf('CRUVERO_EVENTS_BACKEND', ['memory', 'nats'], {
    orElse: 'memory',
    help: 'Bus of the embedded layout: in this process, or NATS, so that sidecars and tools elsewhere take part.',
  }),
  natsUrl: natsUrlSetting(read, readNatsUrl),
  ownChildrenMax: ownChildrenSetting(read),
  heartbeatMs: read.durationMs('CRUVERO_MCP_HEARTBEAT_INTERVAL', {
    orElse: 30_000,
    min: 100,
    max: 86_400_000,
    help: 'How often a server is expected to send heartbeats when it sends some but did not say how often.',
  }),
});

export type EmbeddedSettings = ReturnType<typeof settings>;

/** People read this terminal: short text, and only what is wrong. Whatever the environment says goes before. */
export const terminalDefaults = { CRUVERO_LOG_FORMAT: 'text', CRUVERO_LOG_LEVEL: 'warn' } as const;
