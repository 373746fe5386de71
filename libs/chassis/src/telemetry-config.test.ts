/** The settings of logs and traces. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isProblems, readConfig } from './config-reader.ts';
import { describeTelemetryConfig, telemetryConfig } from './telemetry-config.ts';

test('there are defaults for all of them', () => {
  assert.deepEqual(readConfig({}, telemetryConfig('gateway')), {
    logLevel: 'info',
    logFormat: 'json',
    otlpEndpoint: undefined,
    serviceName: 'gateway',
  });
});

test('all can be set', () => {
  const env = {
    CRUVERO_LOG_LEVEL: 'debug',
    CRUVERO_LOG_FORMAT: 'text',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://otel:4318',
    OTEL_SERVICE_NAME: 'edge',
  };
  assert.deepEqual(readConfig(env, telemetryConfig('gateway')), {
    logLevel: 'debug',
    logFormat: 'text',
    otlpEndpoint: 'http://otel:4318',
    serviceName: 'edge',
  });
});

test('bad ones are all told', () => {
  const config = readConfig(
    { CRUVERO_LOG_LEVEL: 'loud', CRUVERO_LOG_FORMAT: 'xml', OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://x' },
    telemetryConfig('gateway'),
  );
  assert.ok(isProblems(config));
  assert.deepEqual(
    config.map((one) => one.name),
    ['CRUVERO_LOG_LEVEL', 'CRUVERO_LOG_FORMAT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
  );
});

test('the description has all four', () => {
  assert.equal(describeTelemetryConfig().length, 4);
});
