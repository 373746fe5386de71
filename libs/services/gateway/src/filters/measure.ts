/** Counts and times every call, and spans it in a trace. */

import { isFault, type Fault, type Reply } from '@cruvero/core';
import type { Clock, Telemetry } from '@cruvero/ports';
import type { Filter, Routed } from '../pipeline.ts';

const bucketsSeconds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];

/** `isKnown`: the server lists the tool that is called. */
export function measureFilter(
  clock: Clock,
  telemetry: Telemetry,
  isKnown: (call: Routed) => boolean,
): Filter {
  const { metrics, log, tracer } = telemetry;
  const calls = metrics.counter('mcpgw_tool_calls_total', 'Calls by tool, server and outcome');
  const seconds = metrics.histogram(
    'mcpgw_tool_call_duration_seconds',
    'From routing to reply',
    bucketsSeconds,
  );
  const errors = metrics.counter('mcpgw_upstream_errors_total', 'Calls that a server failed, by reason');
  return (next) => async (call) => {
    const fromMs = clock.monotonicMs();
    const span = tracer.start(`mcp ${call.message.method}`, call.trace, 'server');
    const outcome = await next({ ...call, trace: span.context });
    const status = statusOf(outcome);
    const labels = { tool: toolLabel(call, isKnown), backend: call.server.name };
    calls.add(1, { ...labels, status });
    seconds.record((clock.monotonicMs() - fromMs) / 1_000, labels);
    if (isFault(outcome)) {
      span.fail(outcome.fault);
      // What callers do themselves is counted; a line for each would let one of them fill the log.
      if (callersOwn.has(outcome.fault)) log.debug('call refused', callFields(call, outcome, span.traceId));
      else {
        errors.add(1, { backend: call.server.name, error_type: outcome.fault });
        log.warn('call failed', callFields(call, outcome, span.traceId));
      }
    }
    span.set('mcp.server', call.server.name);
    span.set('mcp.target', call.target);
    span.end();
    return outcome;
  };
}

const callersOwn: ReadonlySet<string> = new Set(['rate_limited', 'cancelled']);

function statusOf(outcome: Reply | Fault): string {
  return isFault(outcome) ? outcome.fault : outcome.kind;
}

/** What a caller may make up is no label: resource URIs, names of tools and prompts that nobody lists, methods. */
function toolLabel(call: Routed, isKnown: (call: Routed) => boolean): string {
  const { method } = call.message;
  if (method === 'tools/call' && isKnown(call)) return call.target;
  return methodLabel(method);
}

export function methodLabel(method: string): string {
  return knownMethods.has(method) ? method : 'other';
}

/** Those of both eras that reach servers often enough to be told apart. */
const knownMethods: ReadonlySet<string> = new Set([
  'tools/call',
  'tools/list',
  'prompts/get',
  'prompts/list',
  'resources/list',
  'resources/read',
  'resources/templates/list',
  'completion/complete',
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
  'tasks/cancel',
  'tasks/get',
  'tasks/list',
  'tasks/result',
  'tasks/update',
]);

function callFields(call: Routed, fault: Fault, traceId: string) {
  return {
    traceId,
    fault: fault.fault,
    detail: 'detail' in fault ? fault.detail : undefined,
    method: call.message.method,
    server: call.server.name,
    tenant: call.principal.tenantId,
    principal: call.principal.name,
  };
}
