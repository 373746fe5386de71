/** A receiver of traces over OTLP/HTTP in JSON: keeps every span that arrives. */

import { readBody, serveHttp } from '@cruvero/testkit';

export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
}

export interface TraceReceiver extends AsyncDisposable {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly url: string;
  /** Of one trace, in the order in which they came. */
  spansOf(traceId: string): readonly ReceivedSpan[];
  /** Everything that came, to the letter. */
  text(): string;
}

interface Batch {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { key: string; value: { stringValue?: string } }[] };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<ReceivedSpan, 'service'>[] }[];
  }[];
}

export async function startTraceReceiver(): Promise<TraceReceiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const take = ({ resourceSpans }: Batch): void => {
    for (const { resource, scopeSpans } of resourceSpans) {
      const name = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
      for (const scope of scopeSpans) {
        for (const { name: own, traceId, spanId, parentSpanId } of scope.spans)
          spans.push({ service: name, name: own, traceId, spanId, parentSpanId });
      }
    }
  };
  const host = await serveHttp((request, response) => {
    void readBody(request).then((text) => {
      bodies.push(text);
      take(JSON.parse(text) as Batch);
      // A connection that is closed while it rests can take a batch with it.
      const headers = { 'content-type': 'application/json', connection: 'close' };
      response.writeHead(200, headers).end('{}');
    });
  });
  return {
    url: host.origin,
    spansOf: (traceId) => spans.filter((span) => span.traceId === traceId),
    text: () => bodies.join('\n'),
    [Symbol.asyncDispose]: host.close,
  };
}
