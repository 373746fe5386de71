/** Tests of the code-exec service under simulated time. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { startCodeExec } from './code-exec.ts';

describe('the code-exec service', () => {
  it('does a round at every interval until it is disposed', async () => {
    const clock = new SimClock();
    const telemetry = new MemoryTelemetry();
    const service = startCodeExec({ intervalMs: 1_000 }, { clock, telemetry });
    await clock.advance(3_000);
    assert.equal(telemetry.counts.get('code_exec_rounds_total{}'), 3);

    await service[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0);
  });
});
