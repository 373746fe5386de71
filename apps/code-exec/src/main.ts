/** Code execution as a process of its own: an MCP server over HTTP, announced over NATS, on a boundary that was measured. */

import { httpListener } from '@cruvero/adapter-http';
import { connectNats } from '@cruvero/adapter-nats';
import { openTelemetry } from '@cruvero/adapter-otel';
import { bubblewrapSandbox } from '@cruvero/adapter-sandbox';
import {
  createLog,
  orRefuse,
  readConfig,
  runMain,
  systemClock,
  systemRandom,
  untilAborted,
} from '@cruvero/chassis';
import { startCodeExec } from '@cruvero/service-code-exec';
import { service, settings, version } from './settings.ts';

await runMain(async (env, signal) => {
  const config = orRefuse(readConfig(env, settings));
  const { serviceName, otlpEndpoint, logLevel, logFormat } = config.telemetry;
  const log = createLog({ service: serviceName, level: logLevel, format: logFormat });
  await using telemetry = await openTelemetry({ service: serviceName, version, otlpEndpoint, log });
  await using stack = new AsyncDisposableStack();
  const bus = config.announced
    ? stack.use(
        await connectNats({
          url: config.natsUrl.reveal(),
          name: service,
          clock: systemClock,
          random: systemRandom,
          log,
          metrics: telemetry.metrics,
        }),
      )
    : undefined;
  await using sandbox = bubblewrapSandbox({ ...config.sandbox, log });
  const started = await startCodeExec(
    { ...config.codeExec, version, heartbeatIntervalMs: config.heartbeatIntervalMs },
    {
      sandbox,
      clock: systemClock,
      telemetry,
      listener: httpListener(config.listen),
      ...(bus ? { bus } : {}),
    },
  );
  if ('refused' in started) throw new Error(`Code execution does not start: ${started.refused}`);
  await using codeExec = started;
  process.stdout.write(`ready ${codeExec.url ?? ''}\n`);
  await untilAborted(signal);
  codeExec.drain();
});
