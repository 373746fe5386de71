/** The gateway's environment as a process of its own. */

import { readNatsUrl } from '@cruvero/adapter-nats';
import { readRedisUrl } from '@cruvero/adapter-redis';
import { askerSettings, natsUrlSetting, telemetryConfig, type Reader, type Secret } from '@cruvero/chassis';
import { readGatewaySettings } from '@cruvero/service-gateway';

export const service = 'cruvero-gateway';

export const settings = (read: Reader) => {
  const gateway = readGatewaySettings(read);
  return { gateway, asker: askerSettings(read, gateway.gatewayId), ...edges(read) };
};

const edges = (read: Reader) => ({
  telemetry: telemetryConfig(service)(read),
  natsUrl: natsUrlSetting(read, readNatsUrl),
  redisUrl: redisUrlSetting(read),
});

/** A password may stand in it. */
function redisUrlSetting(read: Reader): Secret | undefined {
  const name = 'CRUVERO_DRAGONFLY_ADDR';
  const help =
    'Redis or Dragonfly, host:port or redis://…, that shares rate counts among replicas. Without it each counts alone.';
  const url = read.secret(name, { optional: true, help });
  const address = url && readRedisUrl(url.reveal());
  if (address && 'problem' in address) read.refuse(name, `is wrong: ${address.problem}`);
  return url;
}
