/** What never left may go to another instance at once; what may run twice is tried again; everything else is not. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Fault, Reply } from '@cruvero/core';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { broke, done, instance, neverLeft, routed, server, timedOut } from '../calls.fixture.ts';
import type { Routed } from '../pipeline.ts';
import { Deadline } from '../deadline.ts';
import { retryFilter, type Tried } from './retry.ts';

const policy = { retriesMax: 3, backoffMs: 1_000, backoffMsMax: 15_000 };
const one = server();
const three = server('files', { instances: ['i1', 'i2', 'i3'].map((id) => instance(id)) });

/** Answers in this order; every attempt marks the next instance as tried, as the balancer does. */
function stage(outcomes: readonly (Reply | Fault | 'nobody is left')[], over = policy) {
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  const tried: Tried = new WeakMap();
  let attempts = 0;
  const attempt = async (call: Routed): Promise<Reply | Fault> => {
    const outcome = outcomes[Math.min(attempts, outcomes.length - 1)] ?? done;
    attempts += 1;
    const seen = tried.get(call.abort) ?? new Set<string>();
    if (outcome === 'nobody is left') return { ...neverLeft, detail: 'every instance was tried' } as Fault;
    tried.set(call.abort, seen.add(`i${seen.size + 1}`));
    return outcome;
  };
  let configured = true;
  const isConfigured = (): boolean => configured;
  const run = retryFilter(over, { clock, random: () => 0, telemetry, tried, isConfigured })(attempt);
  const removed = (): void => void (configured = false);
  return { clock, telemetry, run, removed, attempts: () => attempts };
}

describe('an attempt that failed', () => {
  it('before the request left goes to another instance at once', async () => {
    const { run, attempts, clock } = stage([neverLeft, neverLeft, done]);
    assert.equal(await run(routed({ server: three })), done);
    assert.equal(attempts(), 3);
    assert.equal(clock.pending, 0, 'no pause was made');
  });

  it('at the only instance is made again after a pause that grows', async () => {
    const { run, attempts, clock } = stage([neverLeft, neverLeft, done]);
    const outcome = run(routed({ server: one }));
    await clock.advance(499);
    assert.equal(attempts(), 1);
    await clock.advance(1);
    assert.equal(attempts(), 2);
    await clock.advance(999);
    assert.equal(attempts(), 2);
    await clock.advance(1);
    assert.equal(await outcome, done);
  });

  it('is not made again at a server that was taken away meanwhile', async () => {
    const { run, removed, attempts, clock } = stage([neverLeft, done]);
    const outcome = run(routed({ server: one }));
    await clock.advance(499);
    removed();
    await clock.advance(1);
    assert.equal(await outcome, neverLeft);
    assert.equal(attempts(), 1);
  });

  it('is not made more often than the policy says', async () => {
    const { run, attempts, clock, telemetry } = stage([neverLeft]);
    const outcome = run(routed({ server: one }));
    await clock.advance(60_000);
    assert.equal(await outcome, neverLeft);
    assert.equal(attempts(), 4);
    assert.equal(telemetry.counts.get('mcpgw_retries_total{"backend":"files"}'), 3);
  });

  for (const fault of [timedOut, broke, { ...neverLeft, neverLeft: false } as Fault]) {
    it(`with ${fault.fault} after the request left is never made twice for a tool that says nothing of that`, async () => {
      const { run, attempts } = stage([fault, done]);
      assert.equal(await run(routed({ server: three })), fault);
      assert.equal(attempts(), 1);
    });

    it(`with ${fault.fault} is made again for a tool that may run twice`, async () => {
      const { run, attempts } = stage([fault, done]);
      assert.equal(await run(routed({ server: three, idempotent: true })), done);
      assert.equal(attempts(), 2);
    });
  }

  for (const fault of [
    { fault: 'cancelled' },
    { fault: 'upstream_too_large', server: 'files', bytesMax: 1 },
    { fault: 'rate_limited', retryAfterMs: 1 },
  ] as const) {
    it(`with ${fault.fault} is not made again at all`, async () => {
      const { run, attempts } = stage([fault, done]);
      assert.equal(await run(routed({ server: three, idempotent: true })), fault);
      assert.equal(attempts(), 1);
    });
  }

  it('with an error of the server is answered: a server that speaks is not asked again', async () => {
    const error: Reply = { kind: 'error', code: -32603, text: '{}' };
    const { run, attempts } = stage([error]);
    assert.equal(await run(routed({ server: three, idempotent: true })), error);
    assert.equal(attempts(), 1);
  });

  it('is not made again where the pause would pass the deadline', async () => {
    const { run, attempts, clock } = stage([neverLeft, done]);
    assert.equal(
      await run(routed({ server: one, deadline: new Deadline(500, new AbortController(), clock) })),
      neverLeft,
    );
    assert.equal(attempts(), 1);
  });

  it('is not made again when the caller leaves during the pause', async () => {
    const { run, attempts, clock } = stage([neverLeft, { fault: 'cancelled' }]);
    const abort = new AbortController();
    const outcome = run(routed({ server: one, abort }));
    await clock.advance(100);
    abort.abort();
    assert.partialDeepStrictEqual(await outcome, { fault: 'cancelled' });
    assert.equal(clock.pending, 0);
    assert.equal(attempts(), 2, 'the second found the caller gone');
  });

  it('is not made again for a caller who has left', async () => {
    const { run, attempts } = stage([neverLeft, done]);
    const abort = new AbortController();
    abort.abort();
    assert.equal(await run(routed({ server: three, abort })), neverLeft);
    assert.equal(attempts(), 1);
  });
});

describe('a call for which no instance is left', () => {
  it('waits instead of asking in vain, then begins anew', async () => {
    const { run, attempts, clock } = stage([timedOut, 'nobody is left', done]);
    const outcome = run(routed({ server: three, idempotent: true }));
    await clock.advance(0);
    assert.equal(attempts(), 2, 'the others have no breaker that lets through, and that is learnt once');
    await clock.advance(1_000);
    assert.equal(await outcome, done);
    assert.equal(attempts(), 3);
  });

  it('ends with what the last instance said, not with that nobody is left', async () => {
    const { run, clock } = stage([timedOut, 'nobody is left']);
    const outcome = run(routed({ server: three, idempotent: true }));
    await clock.advance(60_000);
    assert.equal(await outcome, timedOut);
  });

  it('from the beginning is told so', async () => {
    const { run, clock } = stage(['nobody is left']);
    const outcome = run(routed({ server: three }));
    await clock.advance(60_000);
    assert.partialDeepStrictEqual(await outcome, { detail: 'every instance was tried' });
  });
});
