/** Opens the telemetry of a process: metrics always, traces sent only where there is a receiver. */

import type { Log, Telemetry } from '@cruvero/ports';

import { lightTracer } from './light-tracer.ts';
import { ScrapedMetrics } from './metrics.ts';
import type { OtlpTracer } from './otlp-tracer.ts';
import { watchProcess } from './process-metrics.ts';

export interface TelemetryOptions {
  readonly service: string;
  readonly version: string;
  /**
   * Base URL of an OTLP/HTTP receiver; without it trace ids are made and passed on, and no span is recorded.
   */
  readonly otlpEndpoint?: string | undefined;
  readonly log: Log;
  /** Label sets of one metric; the rest counts as `other`. 2,000 by default. */
  readonly labelSetsMax?: number;
  /** Longest wait between two batches of spans. 2 seconds by default. */
  readonly batchDelayMs?: number;
  /** Longest wait for the last spans at the end. 3 seconds by default. */
  readonly closeMsMax?: number;
}

export interface OpenTelemetry extends Telemetry, AsyncDisposable {
  /** Sends the spans that have ended so far. */
  flush(): Promise<void>;
}

/**
 * Rejects only where `otlpEndpoint` is no URL; a receiver that is away is told in the log and costs spans,
 * nothing else.
 */
export async function openTelemetry(options: TelemetryOptions): Promise<OpenTelemetry> {
  const { service, version, log, labelSetsMax = 2_000, closeMsMax = 3_000 } = options;
  const tracer = await openTracer(options);
  const metrics = new ScrapedMetrics({ service, version, log, labelSetsMax });
  const watching = watchProcess(metrics);
  return {
    log,
    metrics,
    tracer: tracer ?? lightTracer,
    flush: async () => tracer?.flush(),
    [Symbol.asyncDispose]: async () => {
      watching[Symbol.dispose]();
      if (tracer) await atMost(tracer.close(), closeMsMax);
    },
  };
}

async function openTracer(options: TelemetryOptions): Promise<OtlpTracer | undefined> {
  const { service, version, otlpEndpoint, log, batchDelayMs = 2_000 } = options;
  if (otlpEndpoint === undefined) return undefined;
  const { openOtlpTracer } = await import('./otlp-tracer.ts');
  return openOtlpTracer({ service, version, otlpEndpoint, log, batchDelayMs });
}

/** The exporter tries again for seconds; the end of a process does not wait that long. */
async function atMost(work: Promise<void>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, late]);
  clearTimeout(timer);
}
