/** The stdio bridge's environment as a process of its own. */

import { hostname } from 'node:os';
import { readNatsUrl } from '@cruvero/adapter-nats';
import { natsUrlSetting, telemetryConfig, type Reader } from '@cruvero/chassis';
import { stdioBridgeSettings } from '@cruvero/service-stdio-bridge';

export const service = 'cruvero-stdio-bridge';
export const version = '0.1.0';

export const settings = (read: Reader) => ({
  ...stdioBridgeSettings(hostname())(read),
  telemetry: telemetryConfig(service)(read),
  natsUrl: natsUrlSetting(read, readNatsUrl),
});
