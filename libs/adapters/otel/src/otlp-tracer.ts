/** Traces over OTLP/HTTP (JSON), in batches and with bounds; loaded only where an endpoint is configured. */

import {
  createTraceState,
  type Context,
  ROOT_CONTEXT,
  type Span as OtelSpan,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';

import type { Log, Span, TraceContext, Tracer } from '@cruvero/ports';

import { parseTraceparent, traceContext, validTracestate } from './trace-context.ts';

export interface OtlpTracerOptions {
  readonly service: string;
  readonly version: string;
  /** Base URL; `/v1/traces` is added. */
  readonly otlpEndpoint: string;
  readonly log: Pick<Log, 'warn' | 'info'>;
  /** Longest wait between two batches. */
  readonly batchDelayMs: number;
}

export interface OtlpTracer extends Tracer {
  /** Sends what is left; resolves when it is sent, failed, or its time is up. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const queueSpansMax = 4_096;
/** Tries included; also the longest that a dead receiver can hold up the end of a process. */
const exportMsMax = 5_000;
const attributesMax = 64;
const attributeCharsMax = 4_096;

const kinds = { server: SpanKind.SERVER, client: SpanKind.CLIENT, internal: SpanKind.INTERNAL } as const;

/** The environment's own OTEL_EXPORTER_OTLP_HEADERS are honoured by the exporter. */
export function openOtlpTracer(options: OtlpTracerOptions): OtlpTracer {
  const url = new URL(options.otlpEndpoint);
  url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  const exporter = new OTLPTraceExporter({ url: url.href, timeoutMillis: exportMsMax, concurrencyLimit: 4 });
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ 'service.name': options.service, 'service.version': options.version }),
    ),
    spanLimits: { attributeCountLimit: attributesMax, attributeValueLengthLimit: attributeCharsMax },
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: telling(exporter, url.origin, options.log),
        maxQueueSize: queueSpansMax,
        scheduledDelayMillis: options.batchDelayMs,
        exportTimeoutMillis: exportMsMax + 1_000,
      }),
    ],
  });
  const tracer = provider.getTracer('cruvero', options.version);
  return {
    start(name, parent, kind) {
      const from = contextOf(parent);
      return new OtlpSpan(
        tracer.startSpan(name, { kind: kinds[kind] }, from),
        validTracestate(parent?.tracestate),
      );
    },
    // failures have been told by the exporter
    flush: () => provider.forceFlush().catch(() => undefined),
    close: () => provider.shutdown().catch(() => undefined),
  };
}

function contextOf(parent: TraceContext | undefined): Context {
  const from = parent && parseTraceparent(parent.traceparent);
  if (!from) return ROOT_CONTEXT;
  const tracestate = validTracestate(parent.tracestate);
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId: from.traceId,
    spanId: from.spanId,
    traceFlags: from.flags,
    isRemote: true,
    ...(tracestate === undefined ? {} : { traceState: createTraceState(tracestate) }),
  });
}

class OtlpSpan implements Span {
  readonly traceId: string;
  readonly context: TraceContext;
  readonly #span: OtelSpan;

  constructor(span: OtelSpan, tracestate: string | undefined) {
    const { traceId, spanId, traceFlags, traceState } = span.spanContext();
    this.#span = span;
    this.traceId = traceId;
    this.context = traceContext({ traceId, spanId, flags: traceFlags & 3 }, traceState && tracestate);
  }

  set(name: string, value: string | number | boolean): void {
    this.#span.setAttribute(name, value);
  }

  fail(detail: string): void {
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: detail.slice(0, attributeCharsMax) });
  }

  end(): void {
    this.#span.end();
  }
}

/**
 * Says once when sending begins to fail and once when it works again: a dead receiver must not flood the log.
 */
function telling(exporter: SpanExporter, receiver: string, log: Pick<Log, 'warn' | 'info'>): SpanExporter {
  let failing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const failed = result.code !== ExportResultCode.SUCCESS;
        if (failed && !failing) {
          const detail = result.error?.message.slice(0, 300) ?? 'no reason given';
          log.warn('Traces cannot be sent and are dropped', { receiver, detail });
        }
        if (!failed && failing) log.info('Traces are sent again', { receiver });
        failing = failed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
