/** The stdio bridge's environment as a process of its own. */

import { hostname } from 'node:os';
import { readNatsUrl } from '@cruvero/adapter-nats';
import { askerSettings, natsUrlSetting, telemetryConfig, type Reader } from '@cruvero/chassis';
import { stdioBridgeSettings } from '@cruvero/service-stdio-bridge';

export const service = 'cruvero-stdio-bridge';
export const version = '0.1.0';

export const settings = (read: Reader) => {
  const own = stdioBridgeSettings(hostname())(read);
  return { ...own, asker: askerSettings(read, own.bridge.bridgeId), ...edges(read) };
};

const edges = (read: Reader) => ({
  telemetry: telemetryConfig(service)(read),
  natsUrl: natsUrlSetting(read, readNatsUrl),
});
