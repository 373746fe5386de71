/** What a service says about itself: structured log lines, metrics, spans. */

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log that adds these fields to every line. */
  with(fields: LogFields): Log;
}

export type Labels = Readonly<Record<string, string>>;

export interface CounterMetric {
  add(value: number, labels?: Labels): void;
}
export interface HistogramMetric {
  record(value: number, labels?: Labels): void;
}

export interface Metrics {
  counter(name: string, help: string): CounterMetric;
  /** Buckets in the unit of the name's last word, ascending. */
  histogram(name: string, help: string, buckets: readonly number[]): HistogramMetric;
  /** Read at each scrape. */
  gauge(
    name: string,
    help: string,
    read: () => Iterable<{ readonly value: number; readonly labels?: Labels }>,
  ): void;
  /** Prometheus text exposition format 0.0.4. */
  text(): Promise<string>;
}

/** W3C Trace Context, as it travels in headers and in `_meta`. */
export interface TraceContext {
  /** `00-<32 hex>-<16 hex>-<2 hex>` */
  readonly traceparent: string;
  readonly tracestate?: string;
}

export interface Span {
  readonly context: TraceContext;
  readonly traceId: string;
  set(name: string, value: string | number | boolean): void;
  /** Marks the span failed; the detail must hold no secret. */
  fail(detail: string): void;
  end(): void;
}

export interface Tracer {
  /** A child of `parent` where that is valid, otherwise a new trace. */
  start(name: string, parent: TraceContext | undefined, kind: 'server' | 'client' | 'internal'): Span;
}

export interface Telemetry {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
}
