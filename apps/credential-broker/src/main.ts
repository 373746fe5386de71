/** The credential broker as a process of its own: NATS to be asked, Vault, a file and the environment to look, three status paths. */

import { httpListener } from '@cruvero/adapter-http';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import {
  createLog,
  Health,
  orRefuse,
  readConfig,
  runMain,
  statusEndpoint,
  systemClock,
  systemRandom,
  untilAborted,
} from '@cruvero/chassis';
import { openProviders, startCredentialBroker } from '@cruvero/service-credential-broker';
import { makers } from './makers.ts';
import { service, settings } from './settings.ts';

const drainMs = 2_000;

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig(env, settings));
  const { version } = config.broker;
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  const shared = { clock: systemClock, random: systemRandom, log };
  await using telemetry = await openTelemetry({ service: serviceName, version, otlpEndpoint, log });
  const { metrics } = telemetry;
  await using bus = await connectNats({ url: config.natsUrl.reveal(), name: service, metrics, ...shared });
  await using stack = new AsyncDisposableStack();
  const providers = await openProviders(config.providers, makers, { ...shared, env });
  for (const provider of providers) stack.use(provider);
  if (config.broker.askers.size === 0) log.warn('nobody may ask: CRUVERO_CREDENTIAL_ASKERS names no service');
  await using broker = await startCredentialBroker(config.broker, {
    bus,
    providers,
    clock: systemClock,
    telemetry,
  });
  const health = new Health(systemClock);
  health.add('bus', () => broker.unready());
  const listening = await httpListener(config.listen).listen(
    statusEndpoint({ service: serviceName, version, health, metrics, allowedHosts: config.allowedHosts }),
  );
  process.stdout.write(`ready ${listening.url}\n`);
  await untilAborted(signal);
  health.drain();
  await listening.close(drainMs);
});
