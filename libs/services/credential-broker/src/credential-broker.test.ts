/** Tests of the credential-broker service under simulated time. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { startCredentialBroker } from './credential-broker.ts';

describe('the credential-broker service', () => {
  it('does a round at every interval until it is disposed', async () => {
    const clock = new SimClock();
    const telemetry = new MemoryTelemetry();
    const service = startCredentialBroker({ intervalMs: 1_000 }, { clock, telemetry });
    await clock.advance(3_000);
    assert.equal(telemetry.counts.get('credential_broker_rounds_total{}'), 3);

    await service[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0);
  });
});
