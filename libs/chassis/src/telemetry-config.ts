/** The settings of logs and traces, which every service has. */

import { describeConfig } from './config-reader.ts';
import type { Described, Reader } from './config-types.ts';
import type { LogFormat, LogLevel } from './log.ts';

export interface TelemetryConfig {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Base URL of an OTLP/HTTP receiver; no traces are sent where it is absent. */
  readonly otlpEndpoint: string | undefined;
  readonly serviceName: string;
}

/** Reads them; `service` is the name that stands unless OTEL_SERVICE_NAME gives another. */
export const telemetryConfig =
  (service: string) =>
  (read: Reader): TelemetryConfig => ({
    logLevel: read.oneOf('CRUVERO_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], {
      orElse: 'info',
      help: 'Lines below this level are not written.',
    }),
    logFormat: read.oneOf('CRUVERO_LOG_FORMAT', ['json', 'text'], {
      orElse: 'json',
      help: 'One JSON object a line for machines, or short text for people. Logs go to standard error.',
    }),
    otlpEndpoint: read.url('OTEL_EXPORTER_OTLP_ENDPOINT', {
      protocols: ['http', 'https'],
      optional: true,
      help:
        'Base URL of an OTLP/HTTP receiver (JSON), such as http://localhost:4318; traces go to /v1/traces below it. ' +
        'Without it no traces are sent.',
    }),
    serviceName:
      read.optionalText('OTEL_SERVICE_NAME', {
        help: 'Name of this service in logs, traces and metrics. Each service has its own name by default.',
      }) ?? service,
  });

/** For the documentation. */
export const describeTelemetryConfig = (): readonly Described[] => describeConfig(telemetryConfig('cruvero'));
