/** Telemetry that a test can read: lines, counts and spans are kept in arrays. */

import type { Labels, Log, LogFields, Metrics, Span, Telemetry, TraceContext, Tracer } from '@cruvero/ports';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

export interface EndedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly parent: TraceContext | undefined;
  readonly failure?: string;
}

export class MemoryTelemetry implements Telemetry {
  readonly lines: LogLine[] = [];
  readonly spans: EndedSpan[] = [];
  readonly counts = new Map<string, number>();
  readonly #gauges = new Map<string, () => Iterable<{ readonly value: number }>>();
  readonly log: Log = this.#logWith({});
  readonly metrics: Metrics = {
    counter: (name) => ({ add: (value, labels) => this.#count(name, value, labels) }),
    histogram: (name) => ({ record: (_value, labels) => this.#count(`${name}_count`, 1, labels) }),
    gauge: (name, _help, read) => void this.#gauges.set(name, read),
    text: async () => [...this.counts].map(([key, value]) => `${key} ${value}\n`).join(''),
  };
  readonly tracer: Tracer = { start: (name, parent) => this.#span(name, parent) };
  #spanCount = 0;

  /** What the gauge reads now, all labels together; undefined where there is none of this name. */
  gauge(name: string): number | undefined {
    const read = this.#gauges.get(name);
    return read && [...read()].reduce((sum, { value }) => sum + value, 0);
  }

  #logWith(base: LogFields): Log {
    const line =
      (level: LogLine['level']) =>
      (message: string, fields: LogFields = {}) =>
        void this.lines.push({ level, message, fields: { ...base, ...fields } });
    return {
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      with: (fields) => this.#logWith({ ...base, ...fields }),
    };
  }

  #count(name: string, value: number, labels: Labels = {}): void {
    const key = `${name}${JSON.stringify(labels)}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + value);
  }

  #span(name: string, parent: TraceContext | undefined): Span {
    this.#spanCount += 1;
    const traceId = parent?.traceparent.slice(3, 35) ?? this.#spanCount.toString(16).padStart(32, '0');
    const spanId = this.#spanCount.toString(16).padStart(16, '0');
    let failure: string | undefined;
    return {
      context: { traceparent: `00-${traceId}-${spanId}-01` },
      traceId,
      set: () => undefined,
      fail: (detail) => void (failure = detail),
      end: () =>
        void this.spans.push({ name, traceId, parent, ...(failure === undefined ? {} : { failure }) }),
    };
  }
}
