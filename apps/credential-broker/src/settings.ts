/** The credential broker's environment as a process of its own. */

import { readNatsUrl } from '@cruvero/adapter-nats';
import { readEnvironmentNames, readFileKey } from '@cruvero/adapter-secret-file';
import { readVaultPath } from '@cruvero/adapter-vault';
import { natsUrlSetting, refuseHostEntry, telemetryConfig, type Reader } from '@cruvero/chassis';
import { credentialBrokerConfig, providerSettings } from '@cruvero/service-credential-broker';

export const service = 'cruvero-credential-broker';

export const settings = (read: Reader) => ({
  broker: credentialBrokerConfig(read),
  providers: providerSettings(
    read,
    { vaultPath: readVaultPath, environmentNames: readEnvironmentNames, fileKey: readFileKey },
    undefined,
  ),
  telemetry: telemetryConfig(service)(read),
  natsUrl: natsUrlSetting(read, readNatsUrl),
  listen: read.hostPort('CRUVERO_CREDENTIAL_BROKER_LISTEN_ADDR', {
    orElse: { host: '127.0.0.1', port: 8084 },
    help: 'Address of /healthz, /readyz and /metrics of the credential broker. Port 0 takes any free port.',
  }),
  allowedHosts: read.list('CRUVERO_CREDENTIAL_BROKER_ALLOWED_HOSTS', {
    orElse: [],
    refuseItem: refuseHostEntry,
    help: 'Host headers that the credential broker answers to, as host or host:port, beside its own address.',
  }),
});
