/** Telemetry over OpenTelemetry: Prometheus metrics, W3C trace context, OTLP traces. */

export { openTelemetry, type OpenTelemetry, type TelemetryOptions } from './open-telemetry.ts';
