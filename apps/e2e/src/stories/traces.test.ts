/** One trace from the client's own span through gateway and bridge to the server, and its id in the log. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, it } from 'node:test';
import type { JsonObject } from '@cruvero/core';
import { startLegacyServer, type FixtureServer } from '@cruvero/testkit';
import { connect } from '../harness/clients.fixture.ts';
import { legacyCommand } from '../harness/config-file.fixture.ts';
import { overLayouts } from '../harness/over-layouts.fixture.ts';
import { rawRequest } from '../harness/raw.fixture.ts';
import {
  startTraceReceiver,
  type ReceivedSpan,
  type TraceReceiver,
} from '../harness/trace-receiver.fixture.ts';
import { until } from '../harness/until.fixture.ts';

let receiver: TraceReceiver;
let server: FixtureServer;
before(async () => {
  receiver = await startTraceReceiver();
  server = await startLegacyServer();
});
after(() => Promise.all([receiver[Symbol.asyncDispose](), server.close()]));

interface ClientSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceparent: string;
}

function clientSpan(): ClientSpan {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  // The last digits ask for recording.
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** The call at the gateway, one attempt at an instance, and the call at the bridge. */
const spansOfACall = ['mcp tools/call', 'mcp forward', 'child tools/call'];

/** From the client's span down: each span is the child of one before it. */
function assertConnected(spans: readonly ReceivedSpan[], { spanId }: ClientSpan): void {
  const known = new Set([spanId, ...spans.map((span) => span.spanId)]);
  for (const span of spans)
    assert.ok(known.has(span.parentSpanId), `${span.service} ${span.name} hangs in the air`);
  assert.ok(
    spans.some((span) => span.parentSpanId === spanId),
    'one is the child of the span of the client',
  );
}

overLayouts(
  'traces',
  () => ({
    servers: {
      child: legacyCommand('--name=child'),
      remote: { url: server.url },
      dead: { url: 'http://127.0.0.1:1/mcp' },
    },
    awaits: ['child', 'remote'],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, CRUVERO_MCP_RETRY_MAX: '0' },
  }),
  (layout, kind) => {
    const call = (span: ClientSpan, name: string, args: JsonObject) =>
      rawRequest(layout(), 'tools/call', {
        name,
        arguments: args,
        _meta: { traceparent: span.traceparent, tracestate: 'story=1' },
      });

    it('spans of gateway and bridge carry the trace of the client', async (t) => {
      const span = clientSpan();
      assert.equal((await call(span, 'mcp.child.echo', { text: 'traced' })).status, 200);
      const services = kind === 'apart' ? ['cruvero-gateway', 'cruvero-stdio-bridge'] : ['cruvero'];
      const spans = await until('gateway and bridge have sent their spans', () => {
        const found = receiver.spansOf(span.traceId);
        return spansOfACall.every((name) => found.some((each) => each.name === name)) && found;
      });
      assertConnected(spans, span);
      assert.deepEqual([...new Set(spans.map(({ service }) => service))].sort(), services);
      t.diagnostic(spans.map(({ service, name }) => `${service}: ${name}`).join(', '));
    });

    it('a server is told of the trace, in the header and in _meta', async () => {
      for (const tell of ['raw', 'legacy client'] as const) {
        const span = clientSpan();
        if (tell === 'raw') await call(span, 'mcp.remote.add', { a: 1, b: 1 });
        else {
          await using client = await connect('legacy', layout());
          const params = {
            name: 'mcp.remote.add',
            arguments: { a: 1, b: 1 },
            _meta: { traceparent: span.traceparent },
          };
          await client.ask('tools/call', params);
        }
        const received = server.catalogue.received.findLast(({ method }) => method === 'tools/call');
        const { traceparent } = (received?.params['_meta'] ?? {}) as { readonly traceparent?: string };
        for (const told of [traceparent, received?.headers['traceparent']]) {
          assert.match(told ?? 'nothing', new RegExp(`^00-${span.traceId}-[0-9a-f]{16}-01$`), tell);
          assert.ok(!told?.includes(span.spanId), 'the parent is the span of the gateway, not of the client');
        }
      }
    });

    it('the log names the trace of a call that failed', async () => {
      const span = clientSpan();
      const { error } = await call(span, 'mcp.dead.echo', { text: 'anybody?' });
      assert.ok(error);
      await until('the log has the trace id', async () => (await layout().logs()).includes(span.traceId));
    });
  },
);
