/** Every call leaves a count, a time and a span; a failure leaves a line that names no secret. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fault, Reply } from '@cruvero/core';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { broke, done, routed, timedOut } from '../calls.fixture.ts';
import type { Routed } from '../pipeline.ts';
import { measureFilter } from './measure.ts';

function stage(outcome: Reply | Fault, isKnown: (call: Routed) => boolean = () => true) {
  const telemetry = new MemoryTelemetry();
  const parents: unknown[] = [];
  const run = measureFilter(
    new SimClock(),
    telemetry,
    isKnown,
  )(async (call) => {
    parents.push(call.trace);
    return outcome;
  });
  return { telemetry, run, parents };
}

describe('a call', () => {
  const cases: readonly [string, Reply | Fault, string][] = [
    ['that was answered', done, 'result'],
    ['that the server answered with an error', { kind: 'error', code: 1, text: '{}' }, 'error'],
    ['that failed', timedOut, 'upstream_timeout'],
  ];
  for (const [name, outcome, status] of cases) {
    it(`${name} is counted and timed by tool, server and outcome, and handed on`, async () => {
      const { telemetry, run } = stage(outcome);
      assert.equal(await run(routed({ target: 'read' })), outcome);
      const labels = { tool: 'read', backend: 'files' };
      assert.equal(telemetry.counts.get(`mcpgw_tool_calls_total${JSON.stringify({ ...labels, status })}`), 1);
      assert.equal(
        telemetry.counts.get(`mcpgw_tool_call_duration_seconds_count${JSON.stringify(labels)}`),
        1,
      );
    });
  }

  it('for a resource is counted under its method: there may be any number of URIs', async () => {
    const { telemetry, run } = stage(done);
    await run(routed({ method: 'resources/read', target: 'file:///a' }));
    const labels = { tool: 'resources/read', backend: 'files', status: 'result' };
    assert.equal(telemetry.counts.get(`mcpgw_tool_calls_total${JSON.stringify(labels)}`), 1);
  });

  it('of a tool that nobody listed is counted under its method: a caller may make up any number of names', async () => {
    const { telemetry, run } = stage(done, ({ target }) => target === 'read');
    for (const target of ['read', 'made-up-1', 'made-up-2']) await run(routed({ target }));
    const count = (tool: string): number | undefined =>
      telemetry.counts.get(
        `mcpgw_tool_calls_total${JSON.stringify({ tool, backend: 'files', status: 'result' })}`,
      );
    await run(routed({ method: 'prompts/get', target: 'made-up-3' }));
    await run(routed({ method: 'made-up-4', target: 'made-up-4' }));
    assert.deepEqual(
      [count('read'), count('tools/call'), count('prompts/get'), count('other')],
      [1, 2, 1, 1],
    );
    assert.ok(![...telemetry.counts.keys()].some((key) => key.includes('made-up')));
  });

  it('is one span in the caller trace, and what follows is below it', async () => {
    const { telemetry, run, parents } = stage(done);
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await run({ ...routed(), trace: { traceparent } });
    const [span] = telemetry.spans;
    assert.partialDeepStrictEqual(span, {
      name: 'mcp tools/call',
      traceId: 'a'.repeat(32),
      parent: { traceparent },
    });
    assert.equal(span?.failure, undefined);
    assert.notDeepEqual(parents[0], { traceparent });
    assert.match(JSON.stringify(parents[0]), /00-a{32}-/);
  });

  it('that failed is a failed span, an error of its server, and a line in the log without arguments', async () => {
    const { telemetry, run } = stage(broke);
    await run(routed({ params: { name: 'mcp.files.read', arguments: { password: 'hunter2' } } }));
    assert.equal(telemetry.spans[0]?.failure, 'upstream_broken');
    const labels = { backend: 'files', error_type: 'upstream_broken' };
    assert.equal(telemetry.counts.get(`mcpgw_upstream_errors_total${JSON.stringify(labels)}`), 1);
    const [line] = telemetry.lines;
    assert.equal(line?.level, 'warn');
    assert.partialDeepStrictEqual(line?.fields, {
      fault: 'upstream_broken',
      server: 'files',
      tenant: 'default',
      principal: 'alice',
      traceId: telemetry.spans[0]?.traceId,
    });
    assert.ok(!JSON.stringify(telemetry).includes('hunter2'));
  });

  for (const outcome of [{ fault: 'cancelled' }, { fault: 'rate_limited', retryAfterMs: 1 }] as const) {
    it(`that ended with ${outcome.fault} is no error of its server, and no warning`, async () => {
      const { telemetry, run } = stage(outcome);
      await run(routed());
      assert.ok(![...telemetry.counts.keys()].some((key) => key.startsWith('mcpgw_upstream_errors_total')));
      assert.deepEqual(
        telemetry.lines.map(({ level }) => level),
        ['debug'],
      );
    });
  }
});
