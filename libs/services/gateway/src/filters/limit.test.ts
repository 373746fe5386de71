/** Every principal has its own bucket, and only its own. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultProfile, type PolicyProfile } from '@cruvero/core';
import { MemoryTelemetry, SimClock } from '@cruvero/testkit';
import { alice, done, routed, tenant } from '../calls.fixture.ts';
import { limitFilter } from './limit.ts';

const slow: PolicyProfile = { ...defaultProfile, rateLimit: 2, rateBurst: 3 };

function stage() {
  const clock = new SimClock();
  const telemetry = new MemoryTelemetry();
  let passed = 0;
  const next = limitFilter(clock, telemetry)(async () => {
    passed += 1;
    return done;
  });
  return { clock, telemetry, next, passed: () => passed };
}

describe('the limit', () => {
  it('lets a burst through, then says how long to wait, then lets one through after that time', async () => {
    const { clock, next, passed } = stage();
    for (let n = 0; n < 3; n += 1) assert.equal(await next(routed({ profile: slow })), done);
    assert.deepEqual(await next(routed({ profile: slow })), { fault: 'rate_limited', retryAfterMs: 500 });
    await clock.advance(499);
    assert.partialDeepStrictEqual(await next(routed({ profile: slow })), { fault: 'rate_limited' });
    await clock.advance(1);
    assert.equal(await next(routed({ profile: slow })), done);
    assert.equal(passed(), 4);
  });

  it('of one principal does not touch another, nor the same name in another tenant', async () => {
    const { next } = stage();
    for (let n = 0; n < 4; n += 1) await next(routed({ profile: slow }));
    for (const principal of [
      { ...alice, name: 'bob' },
      { ...alice, tenantId: tenant('acme') },
    ]) {
      assert.equal(await next(routed({ profile: slow, principal })), done);
    }
    assert.partialDeepStrictEqual(await next(routed({ profile: slow })), { fault: 'rate_limited' });
  });

  it('in audit mode counts and lets through', async () => {
    const { next, telemetry } = stage();
    const profile = { ...slow, enforcementMode: 'audit' } as const;
    for (let n = 0; n < 5; n += 1) assert.equal(await next(routed({ profile })), done);
    const [key] = [...telemetry.counts.keys()].filter((one) => one.startsWith('mcpgw_rate_limited_total'));
    assert.equal(key, 'mcpgw_rate_limited_total{"client_id":"alice","route":"tools/call"}');
    assert.equal(telemetry.counts.get(key ?? ''), 2);
  });

  it('follows the profile that the call brings', async () => {
    const { next } = stage();
    for (let n = 0; n < 3; n += 1) await next(routed({ profile: slow }));
    assert.partialDeepStrictEqual(await next(routed({ profile: slow })), { fault: 'rate_limited' });
    assert.partialDeepStrictEqual(await next(routed({ profile: { ...slow, rateLimit: 100 } })), {
      fault: 'rate_limited',
      retryAfterMs: 10,
    });
  });

  it('keeps a bounded number of buckets', async () => {
    const { next } = stage();
    for (let n = 0; n < 3; n += 1) await next(routed({ profile: slow }));
    for (let n = 0; n < 10_000; n += 1) await next(routed({ profile: slow, principal: { ...alice, name: `p${n}` } }));
    assert.equal(await next(routed({ profile: slow })), done, 'the bucket unused longest went, and is full again');
  });
});
