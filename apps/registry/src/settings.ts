/** The registry's environment as a process of its own. */

import { readNatsUrl } from '@cruvero/adapter-nats';
import { askerSettings, natsUrlSetting, Secret, telemetryConfig, type Reader } from '@cruvero/chassis';
import { registryConfig } from '@cruvero/service-registry';

export const service = 'cruvero-registry';

const defaultDatabaseUrl = 'postgres://localhost:5432/cruvero';

export const settings = (read: Reader) => ({
  registry: registryConfig(read),
  asker: askerSettings(read, 'registry'),
  telemetry: telemetryConfig(service)(read),
  natsUrl: natsUrlSetting(read, readNatsUrl),
  databaseUrl:
    read.secretUrl('CRUVERO_DATABASE_URL', {
      optional: true,
      protocols: ['postgres', 'postgresql'],
      help: `PostgreSQL 15 or newer: postgres://user:password@host:port/database. Default ${defaultDatabaseUrl}.`,
    }) ?? new Secret(defaultDatabaseUrl),
  listen: read.hostPort('CRUVERO_REGISTRY_LISTEN_ADDR', {
    orElse: { host: '127.0.0.1', port: 8081 },
    help: 'Where the admin API, the mesh facade and the status paths are served.',
  }),
  configFile: read.text('CRUVERO_CONFIG', {
    orElse: 'cruvero.json',
    help: 'File of configured servers, in the mcpServers shape of MCP clients. Read again when it changes.',
  }),
});
