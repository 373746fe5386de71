/** A new filter: one step of the gateway's call pipeline, around the next one. */

import type { Name, Plan } from './plan.ts';

const folder = 'libs/services/gateway/src/filters';

export function planFilter(name: Name): Plan {
  const { kebab, camel } = name;
  const files = new Map([
    [`${folder}/${kebab}.ts`, codeText(name)],
    [`${folder}/${kebab}.test.ts`, testText(name)],
  ]);
  const next = [
    `say in the first line of ${folder}/${kebab}.ts what the filter does to a call, and let it do it`,
    `add ${camel} to Filters in libs/services/gateway/src/pipeline.ts and to the one order there; say why it stands where it stands`,
    'make it where the gateway makes its other filters',
    'draw it into docs/a-tool-call.md',
  ];
  return { files, next };
}

function codeText({ kebab, camel, snake }: Name): string {
  return `/** The ${kebab} filter: counts what comes by, and hands it on. */

import type { Telemetry } from '@cruvero/ports';
import type { Filter } from '../pipeline.ts';

export function ${camel}Filter(telemetry: Telemetry): Filter {
  const calls = telemetry.metrics.counter('mcpgw_${snake}_calls_total', 'Calls that came by the ${kebab} filter');
  return (next) => async (call) => {
    calls.add(1, { method: call.message.method });
    return next(call);
  };
}
`;
}

function testText({ kebab, camel, snake }: Name): string {
  return `/** Tests of the ${kebab} filter. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryTelemetry } from '@cruvero/testkit';
import { done, routed } from '../calls.fixture.ts';
import { ${camel}Filter } from './${kebab}.ts';

describe('the ${kebab} filter', () => {
  it('counts the call and gives back what the next step answers', async () => {
    const telemetry = new MemoryTelemetry();
    const call = routed();
    const answer = await ${camel}Filter(telemetry)(async (next) => {
      assert.equal(next, call);
      return done;
    })(call);
    assert.equal(answer, done);
    assert.equal(telemetry.counts.get('mcpgw_${snake}_calls_total{"method":"tools/call"}'), 1);
  });
});
`;
}
