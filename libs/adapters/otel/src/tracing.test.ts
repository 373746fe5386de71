/** Both tracers: what they pass on, and what an OTLP receiver gets. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';

import type { TraceContext, Tracer } from '@cruvero/ports';
import { MemoryTelemetry } from '@cruvero/testkit';

import { lightTracer } from './light-tracer.ts';
import { openTelemetry } from './open-telemetry.ts';
import { parseTraceparent } from './trace-context.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const sampled: TraceContext = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'rojo=1' };
const unsampled: TraceContext = { traceparent: `00-${traceId}-${spanId}-00` };

interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly { readonly key: string; readonly value: unknown }[];
  readonly status: { readonly code: number; readonly message?: string };
}

interface ReceivedBody {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly {
        readonly key: string;
        readonly value: { readonly stringValue?: string };
      }[];
    };
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
  }[];
}

/** Speaks as much OTLP/HTTP as a sender needs. */
async function openReceiver(status = 200) {
  const bodies: ReceivedBody[] = [];
  const heads: { url: string | undefined; headers: IncomingHttpHeaders }[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      heads.push({ url: request.url, headers: request.headers });
      if (status === 200) bodies.push(JSON.parse(text) as ReceivedBody);
      response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    heads,
    spans: () =>
      bodies.flatMap((body) =>
        body.resourceSpans.flatMap((one) => one.scopeSpans.flatMap((scope) => scope.spans)),
      ),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function opened(otlpEndpoint?: string) {
  const { log, lines } = new MemoryTelemetry();
  const telemetry = await openTelemetry({
    service: 'gateway',
    version: '1.2.3',
    log,
    otlpEndpoint,
    batchDelayMs: 60_000,
    closeMsMax: 300,
  });
  return { telemetry, lines, [Symbol.asyncDispose]: () => telemetry[Symbol.asyncDispose]() };
}

/** What every tracer must do with the context. */
function keepsContext(name: string, withTracer: (work: (tracer: Tracer) => void) => Promise<void>): void {
  describe(`${name} keeps the trace context`, () => {
    test('a span without parent begins a trace of its own, with valid ids', () =>
      withTracer((tracer) => {
        const ids = new Set<string>();
        for (let i = 0; i < 1_000; i += 1) {
          const span = tracer.start('call', undefined, 'server');
          const parsed = parseTraceparent(span.context.traceparent);
          assert.equal(parsed?.traceId, span.traceId);
          assert.equal(span.context.tracestate, undefined);
          ids.add(span.traceId).add(parsed?.spanId ?? '');
          span.end();
        }
        assert.equal(ids.size, 2_000);
      }));

    test('a span with a parent continues its trace with an id of its own, its mark and its tracestate', () =>
      withTracer((tracer) => {
        for (const parent of [sampled, unsampled]) {
          const span = tracer.start('call', parent, 'client');
          const parsed = parseTraceparent(span.context.traceparent);
          assert.equal(span.traceId, traceId);
          assert.equal(parsed?.traceId, traceId);
          assert.notEqual(parsed?.spanId, spanId);
          assert.equal(parsed?.flags, parent === sampled ? 1 : 0);
          assert.equal(span.context.tracestate, parent.tracestate);
          span.end();
        }
      }));

    test('an invalid parent begins a new trace and carries nothing over', () =>
      withTracer((tracer) => {
        for (const traceparent of [
          '',
          'junk',
          `00-${'0'.repeat(32)}-${spanId}-01`,
          `ff-${traceId}-${spanId}-01`,
          'x'.repeat(100_000),
        ]) {
          const span = tracer.start('call', { traceparent, tracestate: 'rojo=1' }, 'server');
          assert.ok(parseTraceparent(span.context.traceparent));
          assert.notEqual(span.traceId, traceId);
          assert.equal(span.context.tracestate, undefined);
          span.end();
        }
      }));

    test('a hostile tracestate is dropped, the parent stays', () =>
      withTracer((tracer) => {
        const span = tracer.start('call', { ...sampled, tracestate: 'a=1\r\nx-evil: 1' }, 'server');
        assert.equal(span.traceId, traceId);
        assert.equal(span.context.tracestate, undefined);
        span.end();
      }));
  });
}

keepsContext('the light tracer', async (work) => work(lightTracer));

keepsContext('the OTLP tracer', async (work) => {
  await using receiver = await openReceiver();
  await using open = await opened(receiver.url);
  work(open.telemetry.tracer);
});

test('the light tracer marks a new trace as not sampled', () => {
  const span = lightTracer.start('call', undefined, 'server');
  span.set('a', 1);
  span.fail('x');
  span.end();
  assert.equal(parseTraceparent(span.context.traceparent)?.flags, 0);
});

describe('traces over OTLP', () => {
  test('reach the receiver as JSON at /v1/traces, parents, kinds, attributes and failures included', async () => {
    await using receiver = await openReceiver();
    await using open = await opened(`${receiver.url}/otlp/`);
    const { tracer } = open.telemetry;
    const outer = tracer.start('tools/call', sampled, 'server');
    const inner = tracer.start('forward', outer.context, 'client');
    inner.set('mcp.server', 'everything');
    inner.set('attempt', 2);
    inner.set('idempotent', true);
    inner.fail('no answer');
    inner.end();
    outer.end();
    await open.telemetry.flush();

    assert.equal(receiver.heads[0]?.url, '/otlp/v1/traces');
    assert.equal(receiver.heads[0]?.headers['content-type'], 'application/json');
    const spans = receiver.spans();
    const sentOuter = spans.find((span) => span.name === 'tools/call');
    const sentInner = spans.find((span) => span.name === 'forward');
    assert.equal(spans.length, 2);
    assert.equal(sentOuter?.parentSpanId, spanId);
    assert.equal(sentOuter?.traceId, traceId);
    assert.equal(sentOuter?.kind, 2);
    assert.equal(sentOuter?.spanId, parseTraceparent(outer.context.traceparent)?.spanId);
    assert.equal(sentInner?.parentSpanId, sentOuter?.spanId);
    assert.equal(sentInner?.kind, 3);
    assert.deepEqual(sentInner?.status, { code: 2, message: 'no answer' });
    assert.deepEqual(sentInner?.attributes, [
      { key: 'mcp.server', value: { stringValue: 'everything' } },
      { key: 'attempt', value: { intValue: 2 } },
      { key: 'idempotent', value: { boolValue: true } },
    ]);
    const resource = receiver.bodies[0]?.resourceSpans[0]?.resource.attributes ?? [];
    const attribute = (key: string) => resource.find((one) => one.key === key)?.value.stringValue;
    assert.equal(attribute('service.name'), 'gateway');
    assert.equal(attribute('service.version'), '1.2.3');
  });

  test('are sent only where the caller samples', async () => {
    await using receiver = await openReceiver();
    await using open = await opened(receiver.url);
    open.telemetry.tracer.start('quiet', unsampled, 'server').end();
    open.telemetry.tracer.start('new', undefined, 'server').end();
    await open.telemetry.flush();
    assert.deepEqual(
      receiver.spans().map((span) => span.name),
      ['new'],
    );
  });

  test('that have ended are sent when the telemetry closes', async () => {
    await using receiver = await openReceiver();
    const { telemetry } = await opened(receiver.url);
    telemetry.tracer.start('last', undefined, 'internal').end();
    await telemetry[Symbol.asyncDispose]();
    assert.deepEqual(
      receiver.spans().map((span) => span.name),
      ['last'],
    );
  });

  test('have bounded attributes', async () => {
    await using receiver = await openReceiver();
    await using open = await opened(receiver.url);
    const span = open.telemetry.tracer.start('wide', undefined, 'internal');
    for (let i = 0; i < 500; i += 1) span.set(`a${i}`, 'x'.repeat(10_000));
    span.fail('y'.repeat(100_000));
    span.end();
    await open.telemetry.flush();
    const [sent] = receiver.spans();
    assert.equal(sent?.attributes.length, 64);
    assert.ok(JSON.stringify(sent).length < 64 * 4_300 + 10_000);
  });

  test('that cannot be sent are told once, without credentials, and hold up nobody for long', async () => {
    await using receiver = await openReceiver(400);
    const { telemetry, lines } = await opened(receiver.url.replace('http://', 'http://user:hunter2@'));
    for (let i = 0; i < 3; i += 1) {
      telemetry.tracer.start('lost', undefined, 'server').end();
      await telemetry.flush();
    }
    const before = performance.now();
    await telemetry[Symbol.asyncDispose]();
    assert.ok(performance.now() - before < 2_000);
    assert.deepEqual(
      lines.map(({ level, message }) => [level, message]),
      [['warn', 'Traces cannot be sent and are dropped']],
    );
    assert.equal(lines[0]?.fields['receiver'], receiver.url);
    assert.ok(!JSON.stringify(lines).includes('hunter2'));
  });

  test('to a receiver that is away do not hold up the end', async () => {
    let url: string;
    {
      await using receiver = await openReceiver();
      url = receiver.url;
    }
    const { telemetry } = await opened(url);
    telemetry.tracer.start('lost', undefined, 'server').end();
    const before = performance.now();
    await telemetry[Symbol.asyncDispose]();
    assert.ok(performance.now() - before < 2_000);
  });
});

test('without an endpoint nothing of the exporter is loaded, and log, metrics and tracer work', async () => {
  await using open = await opened();
  const { telemetry, lines } = open;
  telemetry.log.info('hello');
  telemetry.metrics.counter('calls_total', 'Calls.').add(1);
  assert.equal(telemetry.tracer, lightTracer);
  assert.equal(lines[0]?.message, 'hello');
  assert.match(await telemetry.metrics.text(), /calls_total 1\n/);
  await telemetry.flush();
});

test('an endpoint that is no URL is refused at once', async () => {
  await assert.rejects(opened('not a url'), /Invalid URL/);
});
